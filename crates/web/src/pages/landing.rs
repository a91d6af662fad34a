//! `/`: what this server is.

use super::{
    html::{self, Text},
    index,
};

pub(super) fn page(version: &str) -> String {
    let (version, pages) = (Text(version), index::rows());
    html::page(
        "Milepost",
        &format!(
            r#"<p class="lead">This server turns connected vehicles into webhooks: it reads them on a schedule or takes their readings in, and posts signed data to callback URIs. Version {version}.</p>
<dl>
{pages}<dt><a href="/api/openapi.json"><code>/api/openapi.json</code></a></dt><dd>The description of the admin API.</dd>
<dt><a href="/connect/access"><code>/connect/access</code></a></dt><dd>Where owners see and end the access that they have given; applications link to it.</dd>
<dt><a href="/healthz"><code>/healthz</code></a></dt><dd>The process answers.</dd>
<dt><a href="/readyz"><code>/readyz</code></a></dt><dd>The process can do its work; if not, it says why.</dd>
</dl>
"#
        ),
    )
}
