//! `/`: what this server is.

use super::html::{self, Text};

pub(super) fn page(version: &str) -> String {
    let version = Text(version);
    html::page(
        "Milepost",
        &format!(
            r#"<p class="lead">This server turns connected vehicles into webhooks: it reads them on a schedule or takes their readings in, and posts signed data to callback URIs. Version {version}.</p>
<dl>
<dt><a href="/docs/receivers">Receivers</a></dt><dd>How to receive webhooks: verification, signatures, retries, with code in six languages.</dd>
<dt><a href="/docs/signals">Signals</a></dt><dd>What vehicles say: codes, units, values, permissions, brands.</dd>
<dt><a href="/docs/endpoints">Endpoints</a></dt><dd>Reads and commands of the v2 API, and the signals that they carry.</dd>
<dt><a href="/docs/permissions">Permissions</a></dt><dd>What owners grant, and what each permission opens.</dd>
<dt><a href="/docs/errors">Errors</a></dt><dd>What errors in payloads and answers of the v2 API mean.</dd>
<dt><a href="/docs/problems">Problems</a></dt><dd>What problems of the admin API mean.</dd>
<dt><a href="/api/openapi.json"><code>/api/openapi.json</code></a></dt><dd>The description of the admin API.</dd>
<dt><a href="/connect/access"><code>/connect/access</code></a></dt><dd>Where owners see and end the access that they have given; applications link to it.</dd>
<dt><a href="/healthz"><code>/healthz</code></a></dt><dd>The process answers.</dd>
<dt><a href="/readyz"><code>/readyz</code></a></dt><dd>The process can do its work; if not, it says why.</dd>
</dl>
"#
        ),
    )
}
