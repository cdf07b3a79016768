//! Parts of sentences for people: the word that they meant, a text that is not too long, a large number.

/// The word that the user probably meant by `text`, if one is similar enough.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Texts with fewer common letters are not similar.
    const ALIKE: f64 = 0.8;
    /// A longer text is similar to no word, and the comparison takes time in proportion to its length.
    const LONG: usize = 64;
    if text.len() > LONG {
        return None;
    }
    let text = text.to_lowercase();
    let likeness = words.map(|word| (strsim::jaro_winkler(&text, word), word));
    likeness
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

/// A text, cut to a length that people read.
pub(crate) fn shortened(text: &str) -> String {
    const LONG: usize = 400;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number with separators for people: `4,321`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
