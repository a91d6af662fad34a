// Connect works without this. It filters the brands while one types, and tells the window or the app that opened a
// visit what came of it.

const search = document.getElementById("brand-search");
if (search) {
  const items = [...document.querySelectorAll(".brands li")];
  const none = document.getElementById("no-brand");
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
      shown += item.hidden ? 0 : 1;
    }
    none.hidden = shown > 0;
  });
}

const result = document.getElementById("result");
if (result) {
  const message = JSON.parse(result.dataset.message);
  const { name, isSmartcarHosted, ...params } = message;
  const shell = window.SmartcarSDK;
  if (shell && typeof shell.sendMessage === "function") {
    shell.sendMessage(JSON.stringify({ jsonrpc: "2.0", method: "complete", params, id: "complete" }));
  } else if (window.opener && result.dataset.opener) {
    window.opener.postMessage(message, result.dataset.opener);
    window.close();
  }
}
