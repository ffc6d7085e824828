// Tables sort and search, charts say what stands where one points. Without it the page shows all of its rows and values.
"use strict";

// What makes parts of a page answer; setUpAll does it for a part that gatelab ui has replaced.
const setUps = [];
const setUp = (selector, make) => {
  setUps.push([selector, make]);
  document.querySelectorAll(selector).forEach(part => make(part));
};
const setUpAll = part => {
  for (const [selector, make] of setUps) [...(part.matches(selector) ? [part] : []), ...part.querySelectorAll(selector)].forEach(one => make(one));
};

const counted = number => number.toLocaleString("en");

setUp("table.sortable", table => {
  const body = table.tBodies[0];
  let original = [...body.rows];
  const most = Number(table.dataset.first || Infinity);
  const name = table.dataset.name;
  const textOf = row => `${row.textContent} ${row.dataset.words ?? ""}`.toLowerCase();
  let rows = original, sought = [], all = original.length <= most;

  const show = () => {
    const left = rows.filter(row => !("out" in row.dataset)); // what a filter of the page has left
    const found = sought.length ? left.filter(row => sought.every(word => textOf(row).includes(word))) : left;
    const limit = all || found.length < rows.length ? Infinity : most;
    const visible = new Set([...found.slice(0, limit), ...found.filter(row => "always" in row.dataset)]);
    for (const row of rows) row.hidden = !visible.has(row);
    if (count) count.textContent = found.length < rows.length || sought.length ? `${counted(found.length)} of ${counted(rows.length)} ${rows.length === 1 ? "row" : "rows"}` : `${counted(rows.length)} ${rows.length === 1 ? "row" : "rows"}`;
    if (more) more.hidden = found.length < rows.length;
    table.dispatchEvent(new CustomEvent("shown", { detail: rows }));
  };

  let count = null, more = null;
  if ("search" in table.dataset) {
    const tools = document.createElement("div"), label = document.createElement("label"), input = document.createElement("input");
    tools.className = "tools";
    input.type = "search";
    label.append("Search ", input);
    input.setAttribute("aria-label", `Search ${name}`);
    count = document.createElement("output");
    tools.append(label, count);
    table.parentElement.before(tools);
    input.addEventListener("input", () => { sought = input.value.toLowerCase().split(/\s+/).filter(Boolean); show(); });
  }
  if (original.length > most) {
    more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    const word = () => { more.textContent = all ? `Show the first ${most}` : `Show all ${original.length}`; };
    more.addEventListener("click", () => { all = !all; word(); show(); });
    word();
    table.parentElement.after(more);
  }
  table.addEventListener("filter", show);
  let sort = () => { rows = original; };
  table.addEventListener("rows", ({ detail }) => { // others than before, in the order in which they came
    original = detail;
    body.replaceChildren(...original);
    sort();
    show();
  });
  for (const heading of table.tHead.rows[0].cells) {
    if (!heading.textContent.trim()) continue;
    const button = document.createElement("button"), column = heading.cellIndex;
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const numeric = heading.classList.contains("number");
    const key = row => (numeric ? parseFloat(value(row).replace("−", "-").replaceAll(",", "")) : value(row));
    const isEmpty = key => key === "" || Number.isNaN(key);
    const compare = numeric ? (a, b) => a - b : new Intl.Collator(undefined, { numeric: true }).compare;
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === (numeric ? null : "ascending") || heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort = () => {
        const keys = new Map(original.map(row => [row, key(row)]));
        rows = [...original].sort((first, second) => {
          const a = keys.get(first), b = keys.get(second);
          return isEmpty(a) - isEmpty(b) || (isEmpty(a) ? 0 : down ? compare(b, a) : compare(a, b)); // what is empty comes last
        });
        body.append(...rows);
      };
      sort();
      show();
    });
  }
  show();
});

// Only what scrolls is a stop of the Tab key, and what goes on to the right shows it.
setUp(".wide", wide => {
  const look = () => {
    const hidden = wide.scrollWidth - wide.clientWidth;
    if (hidden > 1 || wide.scrollHeight - wide.clientHeight > 1) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
    wide.classList.toggle("more-right", hidden - wide.scrollLeft > 1);
  };
  wide.addEventListener("scroll", look, { passive: true });
  for (const part of [wide, wide.firstElementChild]) if (part) new ResizeObserver(look).observe(part);
});

setUp(".plot", plot => {
  const stops = [...plot.querySelectorAll(".stop")];
  const said = plot.closest("figure").querySelector(".said");
  if (!stops.length) return;
  const quiet = said.textContent;
  let at = null;

  const parts = stop => [...stop.querySelectorAll("[data-tip]:not(.off)")].map(part => part.dataset.tip);
  const tipOf = stop => [stop.dataset.tip, ...parts(stop)].join(" · "); // of a line that is not shown nothing is said
  const say = stop => {
    if (at) at.classList.remove("at");
    at = stop;
    said.textContent = stop ? tipOf(stop) : quiet;
    said.classList.toggle("now", stop !== null);
    if (!stop) return;
    stop.classList.add("at");
    plot.setAttribute("aria-valuenow", stops.indexOf(stop));
    plot.setAttribute("aria-valuetext", tipOf(stop));
  };

  plot.tabIndex = 0;
  const attributes = { role: "slider", "aria-label": plot.dataset.name, "aria-valuemin": 0, "aria-valuemax": stops.length - 1, "aria-valuenow": 0 };
  for (const [attribute, value] of Object.entries(attributes)) plot.setAttribute(attribute, value);
  plot.setAttribute("aria-valuetext", stops[0].dataset.tip);
  for (const kind of ["pointermove", "pointerdown"]) plot.addEventListener(kind, event => say(event.target.closest(".stop")));
  plot.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") say(null); }); // a finger leaves after every tap
  plot.addEventListener("blur", () => say(null));
  plot.addEventListener("keydown", event => {
    const now = at ? stops.indexOf(at) : -1;
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: stops.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    say(stops[Math.max(0, Math.min(stops.length - 1, next))]);
  });
});
