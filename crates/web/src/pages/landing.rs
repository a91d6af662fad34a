//! `/`: what this server is.

use super::html::{self, Text};

pub(super) fn page(version: &str) -> String {
    let version = Text(version);
    html::page(
        "Milepost",
        &format!(
            r#"<p>This server turns connected vehicles into webhooks: it reads cars on a schedule and posts signed data to callback URIs. Version {version}.</p>
<dl>
<dt><a href="/healthz"><code>/healthz</code></a></dt><dd>The process answers.</dd>
<dt><a href="/readyz"><code>/readyz</code></a></dt><dd>The process can do its work; if not, it says why.</dd>
<dt><a href="/api/openapi.json"><code>/api/openapi.json</code></a></dt><dd>The description of the admin API.</dd>
<dt><a href="/docs/errors">Errors</a></dt><dd>What errors in payloads and answers of the v2 API mean.</dd>
<dt><a href="/docs/problems">Problems</a></dt><dd>What problems of the admin API mean.</dd>
</dl>
"#
        ),
    )
}
