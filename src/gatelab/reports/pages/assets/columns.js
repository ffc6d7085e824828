// The columns of the table of all runs: which are shown, by which one rows are grouped, and widths that stay while rows come and go.

for (const tools of document.querySelectorAll(".columns")) {
  const table = document.querySelector(`table[data-name="${tools.dataset.table}"]`), body = table.tBodies[0];
  const heading = table.tHead.rows[0], titles = [...heading.cells].map(cell => cell.textContent);
  const by = tools.querySelector("select"), boxes = [...tools.querySelectorAll("input")];
  table.parentElement.before(tools);
  tools.hidden = false;

  let hidden = [];
  const choose = rows => {
    const before = hidden;
    hidden = boxes.filter(box => !box.checked).map(box => titles.indexOf(box.value));
    for (const column of new Set([...before, ...hidden]))
      for (const row of [heading, ...rows]) row.cells[column].hidden = hidden.includes(column);
  };
  const group = rows => { // those that are shown, in the order of their sort; a group is where its first row would be
    const before = body.querySelectorAll(".group");
    for (const row of before) row.remove();
    const column = by.value ? titles.indexOf(by.value) : -1;
    if (column >= 0 || before.length) body.append(...rows);
    if (column < 0) return;
    const span = [...heading.cells].filter(cell => !cell.hidden).length;
    for (const [value, members] of Map.groupBy(rows.filter(row => !row.hidden), row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim())) {
      const row = document.createElement("tr"), cell = document.createElement("th");
      row.className = "group";
      cell.scope = "rowgroup";
      cell.colSpan = span;
      cell.textContent = `${value || `no ${by.value}`} · ${counted(members.length)} ${members.length === 1 ? "run" : "runs"}`;
      row.append(cell);
      body.append(row, ...members);
    }
  };
  const keepWidths = () => {
    const widths = [...heading.cells].map(cell => cell.offsetWidth);
    widths.forEach((width, at) => { if (width > parseFloat(heading.cells[at].style.minWidth || 0)) heading.cells[at].style.minWidth = `${width}px`; });
  };
  table.addEventListener("shown", ({ detail }) => {
    choose(detail);
    group(detail);
    keepWidths();
  });
  tools.addEventListener("change", () => table.dispatchEvent(new Event("filter")));
  addEventListener("resize", () => {
    for (const cell of heading.cells) cell.style.minWidth = "";
    keepWidths();
  });
  keepWidths();
}
