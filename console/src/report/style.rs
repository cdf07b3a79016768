//! The style sheet of a report: light, and fit for paper.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picture::light_style;
use sha2::{Digest as _, Sha256};

const RULES: &str = "\
:root{color-scheme:light}
body{margin:0;background:#fff;color:#1f2328;font:16px/1.5 system-ui,'Segoe UI',Helvetica,Arial,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}
h2{font-size:1.25rem;margin:2rem 0 .5rem;border-bottom:1px solid #8c959f}
p{margin:.5rem 0;max-width:45rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.25rem 1.5rem;margin:.5rem 0}
dt{font-size:.85rem;color:#59636e}
dd{margin:0;overflow-wrap:anywhere}
.blanks{display:block}
.blanks div{display:flex;align-items:flex-end;gap:1rem;min-height:2.4rem}
.blanks dt{flex:0 0 14rem;font-size:1rem;color:inherit}
.blanks dd{flex:1;border-bottom:1px solid #59636e;min-height:1.5rem}
.plot{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start;break-inside:avoid}
figure{margin:0;flex:1 1 36rem;min-width:0}
svg{display:block;max-width:100%;height:auto}
svg .words{paint-order:stroke;stroke:#fff;stroke-width:3px}
.plot .wide{flex:1 1 18rem}
.wide{overflow-x:auto;max-width:100%}
.wide:focus-visible{outline:3px solid #0860ca}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:start;font-weight:600;padding:.25rem 0}
th,td{border:1px solid #d0d7de;padding:.2rem .5rem;text-align:start;vertical-align:top;overflow-wrap:anywhere}
thead th{background:#f6f8fa;overflow-wrap:normal}
tbody th{font-weight:600;overflow-wrap:normal}
@media print{
body{font-size:11px}
main{max-width:none;padding:0}
.wide{overflow:visible}
tr{break-inside:avoid}
thead{display:table-header-group}
h2{break-after:avoid}
}
";

/// The rules, and their hash as a content security policy writes it.
pub(super) fn style() -> (String, String) {
    let css = format!("\n{RULES}{}", light_style());
    let hash = STANDARD.encode(Sha256::digest(css.as_bytes()));
    (css, hash)
}
