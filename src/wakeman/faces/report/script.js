"use strict";
const prepare = () => {
  const find = document.querySelector(".find"), words = find.querySelector("input"), state = find.querySelector("select");
  const said = find.querySelector("output"), rows = [...document.querySelectorAll("[data-row]")];
  const texts = new Map();
  const text = (row) => {
    if (!texts.has(row)) texts.set(row, (row.querySelector(".who") || row).textContent.toLowerCase());
    return texts.get(row);
  };
  const filter = () => {
    const wanted = words.value.trim().toLowerCase(), only = state.value;
    let shown = 0;
    for (const row of rows) {
      const fits = (!only || row.dataset.row.split(" ").includes(only)) && (!wanted || text(row).includes(wanted));
      row.hidden = !fits;
      shown += fits;
    }
    for (const group of document.querySelectorAll("details[data-group]")) {
      const inside = group.querySelectorAll("[data-row]:not([hidden])").length;
      group.hidden = !inside;
      if (wanted || only) group.open = inside > 0;
    }
    said.textContent = wanted || only ? `${shown} of ${rows.length} rows` : "";
  };
  let due = 0;
  words.addEventListener("input", () => { clearTimeout(due); due = setTimeout(filter, 80); });
  state.addEventListener("change", filter);
  find.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  find.hidden = false;
};
prepare();
