//! How the page writes numbers in English, written a second time.

/// A number with this many digits after the point, and commas between the thousands. Half is rounded up.
pub(super) fn num(value: f64, digits: u32) -> String {
    let factor = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    let text = format!("{:.*}", digits as usize, (value * factor + 0.5).floor() / factor);
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or_else(|| grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

/// A part of one as a percentage; a dash if it is unknown.
pub(super) fn percent(part: Option<f64>, digits: u32) -> String {
    part.map_or_else(|| "–".to_owned(), |part| format!("{} %", num(part * 100.0, digits)))
}

/// A number each second.
pub(super) fn rate(value: f64) -> String {
    format!("{}/s", num(value, u32::from(value < 10.0)))
}

/// A time in microseconds; a dash if it is unknown.
pub(super) fn time(us: Option<f64>) -> String {
    match us {
        None => "–".to_owned(),
        Some(us) if us < 1e6 => format!("{} ms", num(us / 1e3, u32::from(us < 1e4))),
        Some(us) => format!("{} s", num(us / 1e6, if us < 1e7 { 2 } else { 1 })),
    }
}

/// A time in microseconds as whole seconds, without a unit.
pub(super) fn seconds(us: f64) -> String {
    num(us / 1e6, 0)
}
