// The table of all runs: filters, and the selection.

for (const filters of document.querySelectorAll(".filters")) {
  const table = document.querySelector(`table[data-name="${filters.dataset.table}"]`);
  const controls = [...filters.querySelectorAll("select, input")];
  const tools = table.closest(".wide").previousElementSibling;
  tools.insertBefore(filters, tools.lastElementChild);
  filters.hidden = false;
  const squeezed = text => text.replace(/\s+/g, " ").trim();
  const cell = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const passes = (row, { value, dataset: { column, from, to } }) => {
    if (value === "") return true;
    if (column) return squeezed(cell(row, column)) === squeezed(value);
    const number = parseFloat(cell(row, from ?? to));
    return from ? number >= Number(value) : number <= Number(value);
  };
  filters.addEventListener("input", () => {
    for (const row of table.tBodies[0].querySelectorAll("tr:not(.group)")) row.toggleAttribute("data-out", !controls.every(control => passes(row, control)));
    table.dispatchEvent(new Event("filter"));
  });
}

const mostPicks = 1000;
const nameOf = box => box.value.slice(0, box.value.lastIndexOf("/"));

for (const form of document.querySelectorAll("form:has(.pick)")) {
  const boxesNow = () => [...form.querySelectorAll("td.pick input[name]")]; // gatelab ui adds rows
  const button = form.querySelector(".chief"), pair = form.querySelector(".pair"), told = form.querySelector(".picked");
  const count = () => {
    const boxes = boxesNow();
    const counts = ["name", "run"].map(kind => [boxes.filter(box => box.checked && box.name === kind).length, kind]);
    const words = counts.filter(([number]) => number).map(([number, kind]) => `${number} ${kind}${number === 1 ? "" : "s"}`);
    told.textContent = words.length ? `${words.join(" and ")} selected` : "";
    const many = [...compacted()].length > mostPicks;
    if (many) told.textContent += `: more than ${counted(mostPicks)}; pick whole names`;
    button.disabled = words.length === 0 || many;
    const names = boxes.filter(box => box.checked && box.name === "name").map(box => box.value);
    pair.disabled = boxes.filter(box => box.name === "run" && (box.checked || names.includes(nameOf(box)))).length !== 2;
  };
  // A name for all of its runs, since an address has its limits.
  const compacted = function* () {
    const boxes = boxesNow(), picked = boxes.filter(box => box.checked), whole = new Set(picked.filter(box => box.name === "name").map(box => box.value));
    const runs = Map.groupBy(boxes.filter(box => box.name === "run"), nameOf);
    for (const [name, all] of runs) if (all.every(box => box.checked)) whole.add(name);
    for (const name of whole) yield ["name", name];
    for (const box of picked) if (box.name === "run" && !whole.has(nameOf(box))) yield ["run", box.value];
  };
  form.addEventListener("formdata", ({ formData }) => {
    formData.delete("name");
    formData.delete("run");
    for (const pick of compacted()) formData.append(...pick);
  });
  form.addEventListener("change", count);
  for (const heading of form.querySelectorAll("thead .pick")) {
    const table = heading.closest("table"), all = document.createElement("input");
    all.type = "checkbox";
    all.setAttribute("aria-label", `Select all of ${table.dataset.name} that are shown`);
    all.addEventListener("change", () => {
      for (const box of table.tBodies[0].querySelectorAll("tr:not([hidden]) .pick input")) box.checked = all.checked;
    });
    heading.replaceChildren(all);
  }
}
