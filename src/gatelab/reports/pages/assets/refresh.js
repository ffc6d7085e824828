// An open page of gatelab ui follows its runs: it asks for itself again, and puts in place what has changed, where the reader is left undisturbed.
{
  const busy = 2000, calm = 10000; // milliseconds between two questions, longer where an answer takes long
  const stateOf = page => page.querySelector('meta[name="state"]').content;
  const isMoving = () => document.querySelector("progress") !== null;
  const partsOf = page => new Map([...page.querySelectorAll("body > header, main > section[id]")].map(part => [part.id || "header", part]));
  const told = document.createElement("p");
  told.className = "cautions unanswered";
  told.setAttribute("role", "status");
  let state = stateOf(document), before = null; // the parts as the server last sent them, which the scripts have changed since

  const ask = async () => {
    const known = before || !isMoving() ? state : "none"; // a page that moves needs what it was made from, to see what has changed in it
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", headers: { "If-None-Match": `"${known}"` } });
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error("The runs of this page cannot be read any more.");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const parts = partsOf(page), sent = new Map([...parts].map(([key, part]) => [key, part.outerHTML]));
    if (stateOf(page) !== state) update(page, parts, sent);
    [state, before] = [stateOf(page), sent];
  };
  const update = (page, parts, sent) => {
    const seen = [...partsOf(document).values()].find(part => part.getBoundingClientRect().bottom > 0), key = seen?.id || "header";
    const top = seen?.getBoundingClientRect().top;
    document.title = page.title;
    updateParts(parts, sent);
    for (const table of document.querySelectorAll("form table.sortable")) {
      const other = page.querySelector(`table[data-name="${table.dataset.name}"]`);
      if (other) updateRows(table, other);
    }
    addOptions(page);
    for (const filters of document.querySelectorAll(".filters")) filters.dispatchEvent(new Event("input")); // they see the new cells
    for (const form of document.querySelectorAll("form:has(.pick)")) form.dispatchEvent(new Event("change")); // and the picks
    const now = partsOf(document).get(key);
    if (now && scrollY > 0) scrollBy(0, now.getBoundingClientRect().top - top);
  };
  const updateParts = (parts, sent) => {
    const shown = partsOf(document), main = document.querySelector("main");
    let next = main.firstElementChild;
    for (const [key, part] of parts) {
      const old = shown.get(key);
      if (!old) main.insertBefore(part, next);
      if (!old || (before?.get(key) !== sent.get(key) && key !== "own")) { // where the reader writes
        const place = old && placeIn(old);
        old?.replaceWith(part);
        setUpAll(part);
        if (place) putBack(part, place);
        if (key !== "header") next = part.nextElementSibling;
      } else if (key !== "header") next = old.nextElementSibling;
    }
    for (const [key, old] of shown) if (!parts.has(key)) old.remove();
  };
  // What the reader has done in a part: what is filled in, open, sorted, pressed, scrolled, pointed at and focused.
  const controls = "a[href], button, input, select, textarea, summary, [tabindex]";
  const kinds = [
    ["input, select, textarea", field => [field.value, field.checked], (field, [value, checked]) => {
      if (field.value === value && field.checked === checked) return;
      [field.value, field.checked] = [value, checked];
      field.dispatchEvent(new Event(field.matches("select") ? "change" : "input", { bubbles: true }));
    }],
    ["details", details => details.open, (details, open) => { details.open = open; }],
    ["th", heading => heading.getAttribute("aria-sort"), (heading, way) => {
      for (let click = 0; click < 2 && heading.getAttribute("aria-sort") !== way && way; click++) heading.querySelector("button").click();
    }],
    ["button[aria-pressed]", button => button.getAttribute("aria-pressed"), (button, pressed) => {
      if (button.getAttribute("aria-pressed") !== pressed) button.click();
    }],
    ["button.more", button => button.textContent.startsWith("Show the first"), (button, all) => {
      if (button.textContent.startsWith("Show the first") !== all) button.click();
    }],
    [".wide", wide => wide.scrollLeft, (wide, left) => { wide.scrollLeft = left; }],
    [".plot", plot => [...plot.querySelectorAll(".stop")].findIndex(stop => stop.classList.contains("at")), (plot, at) => {
      plot.querySelectorAll(".stop")[at]?.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
    }],
    [controls, one => one === document.activeElement, (one, hasFocus) => { if (hasFocus) one.focus({ preventScroll: true }); }],
  ];
  // By what stands around each and on it, since a table or a chart before it may be new.
  const named = (part, selector) => {
    const counts = {};
    return [...part.querySelectorAll(selector)].map(one => {
      const around = [one.closest("figure")?.querySelector("figcaption"), one.matches("th") ? one : null].map(each => each?.textContent.trim());
      const name = [...around, one.closest(".wide")?.getAttribute("aria-label"), one.tagName, one.getAttribute("aria-label")].join("|");
      counts[name] = (counts[name] ?? 0) + 1;
      return [`${name}|${counts[name]}`, one];
    });
  };
  const placeIn = part => kinds.map(([selector, read]) => new Map(named(part, selector).map(([name, one]) => [name, read(one)])));
  const putBack = (part, place) => kinds.forEach(([selector, , put], at) => {
    for (const [name, one] of named(part, selector)) if (place[at].has(name)) put(one, place[at].get(name));
  });
  // A table whose rows can be picked keeps them, and their cells that are as before.
  const keyOf = row => row.querySelector(".pick input")?.value;
  const updateRows = (table, other) => {
    const titles = one => [...one.tHead.rows[0].cells].map(cell => cell.textContent.trim()).join("|");
    if (titles(table) !== titles(other)) return location.reload();
    const body = table.tBodies[0], known = new Map([...body.rows].filter(row => !row.matches(".group")).map(row => [keyOf(row), row]));
    const rows = [...other.tBodies[0].rows].map(row => {
      const old = known.get(keyOf(row));
      if (!old) return row;
      [...row.cells].forEach((cell, at) => {
        const shown = old.cells[at];
        if (cell.classList.contains("pick") || (cell.innerHTML === shown.innerHTML && cell.dataset.value === shown.dataset.value)) return;
        shown.replaceChildren(...cell.childNodes);
        if (cell.dataset.value !== undefined) shown.dataset.value = cell.dataset.value;
      });
      if (row.dataset.words !== undefined) old.dataset.words = row.dataset.words;
      return old;
    });
    if (rows.length !== known.size || rows.some(row => !row.isConnected)) table.dispatchEvent(new CustomEvent("rows", { detail: rows }));
  };
  const addOptions = page => {
    for (const select of document.querySelectorAll(".filters select")) {
      const other = page.querySelector(`.filters select[data-column="${select.dataset.column}"]`);
      for (const option of other?.options ?? []) if (![...select.options].some(one => one.value === option.value)) select.append(option.cloneNode(true));
    }
  };

  let timer = null;
  const poll = async () => {
    clearTimeout(timer);
    const begin = performance.now();
    if (!document.hidden) {
      try {
        await ask();
        told.remove();
      } catch (error) {
        told.textContent = error instanceof TypeError ? "gatelab ui does not answer any more: this page is as it was then." : error.message;
        if (!told.isConnected) document.querySelector("main").before(told);
      }
    }
    const pause = isMoving() ? busy : calm;
    timer = setTimeout(poll, Math.max(pause, 10 * (performance.now() - begin)));
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  timer = setTimeout(poll, 500);
}
