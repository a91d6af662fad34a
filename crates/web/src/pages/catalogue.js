// The pages work without this. It filters rows while one types, in the same way as the server does.

const field = document.getElementById("q");
const count = document.getElementById("count");
const rows = [...document.querySelectorAll(".rows tbody tr")];
const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
const texts = rows.map((row) => plain(row.textContent));

function filter() {
  const words = field.value.split(/\s+/).map(plain).filter(Boolean);
  let shown = 0;
  rows.forEach((row, at) => {
    row.hidden = !words.every((word) => texts[at].includes(word));
    shown += row.hidden ? 0 : 1;
  });
  for (const section of document.querySelectorAll(".rows")) {
    section.hidden = !section.querySelector("tbody tr:not([hidden])");
  }
  count.textContent = `${shown} ${count.dataset.noun}`;
}

if (field) {
  // What the server has filtered already is all that there is to filter: then the form asks it again.
  const whole = field.value === "";
  if (whole) {
    field.addEventListener("input", filter);
    field.form.addEventListener("submit", (event) => event.preventDefault());
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "Escape" && event.target === field) {
      field.value = "";
      filter();
    }
  });
}
