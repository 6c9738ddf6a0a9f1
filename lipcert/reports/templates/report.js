"use strict";

// The theme that was chosen, before anything is painted. A page opened from a disk may have no storage.
const theme = {
  KEY: "lipcert-theme",
  dark: matchMedia("(prefers-color-scheme: dark)"),
  recall() {
    try { return localStorage.getItem(this.KEY); } catch { return null; }
  },
  keep(name) {
    try { localStorage.setItem(this.KEY, name); } catch { /* it holds while the page is open */ }
  },
  now() {
    return document.documentElement.dataset.theme ?? (this.dark.matches ? "dark" : "light");
  },
  choose(name) {
    if (name === "dark" || name === "light") document.documentElement.dataset.theme = name;
  },
};
theme.choose(theme.recall());

const words = new Intl.Collator("en", { numeric: true });

// By number where the column has any, else by words; what has no number comes last, up or down.
function sorted(rows, column, sign) {
  const value = (row) => row.cells[column].dataset.value;
  const said = (row) => row.cells[column].querySelector(".said").textContent;
  if (rows.every((row) => value(row) === undefined)) {
    return rows.toSorted((a, b) => sign * words.compare(said(a), said(b)));
  }
  const number = (row) => Number((value(row) ?? "NaN").replace("inf", "Infinity"));
  return rows.toSorted((a, b) => {
    const [x, y] = [number(a), number(b)];
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
    return x === y ? 0 : sign * (x < y ? -1 : 1);
  });
}

// Up, down, and as it was.
const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

function sortable(table) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const order = NEXT[head.ariaSort];
    for (const each of heads) each.ariaSort = each === head ? order : "none";
    const rows = order === "none" ? first : sorted([...body.rows], column, order === "ascending" ? 1 : -1);
    body.append(...rows);
  }));
}

function themed(button) {
  const label = () => { button.textContent = theme.now() === "dark" ? "Light theme" : "Dark theme"; };
  button.addEventListener("click", () => {
    theme.choose(theme.now() === "dark" ? "light" : "dark");
    theme.keep(theme.now());
    label();
  });
  theme.dark.addEventListener("change", label);
  label();
  button.hidden = false;
}

// On paper nothing can be unfolded.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const each of unfolded) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of unfolded) each.open = false;
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table").forEach(sortable);
  themed(document.getElementById("theme-1"));
});
