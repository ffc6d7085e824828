// The view of all runs stands in the address after its #: searches, filters, sorts, groups, columns and picks. So reload and Back keep it, and it can be sent.

for (const form of document.querySelectorAll("form:has(.pick)")) {
  const tables = [...form.querySelectorAll("table.sortable")], boxes = () => [...form.querySelectorAll("td.pick input[name]")];
  const keyIn = (section, key) => (section.id === "runs" ? key : `${section.id}.${key}`);
  const controls = [[form.elements.by, "by"]];
  for (const section of form.querySelectorAll("section")) {
    for (const control of section.querySelectorAll("[data-key]")) controls.push([control, keyIn(section, control.dataset.key)]);
    for (const control of section.querySelectorAll("input[type=search]")) controls.push([control, keyIn(section, "search")]);
  }
  const columns = [...form.querySelectorAll(".columns input")];
  const sorted = table => table.querySelector("th[aria-sort]");

  const save = () => {
    const view = new URLSearchParams();
    for (const [control, key] of controls) if (control.value) view.set(key, control.value);
    for (const table of tables) {
      const heading = sorted(table);
      if (heading) view.set(keyIn(table.closest("section"), "sort"), (heading.ariaSort === "descending" ? "-" : "") + heading.textContent);
    }
    for (const box of columns) if (!box.checked) view.append("hide", box.value);
    for (const box of boxes()) if (box.checked) view.append("pick", box.value);
    const query = new URLSearchParams(location.search);
    query.delete("token"); // the cookie has it, and an address is sent to others
    const address = [query.size ? `?${query}` : "", view.size ? `#${view}` : ""].join("") || location.pathname;
    if (location.search + location.hash !== address) history.replaceState(history.state, "", address);
  };
  const restore = () => {
    const view = new URLSearchParams(location.hash.slice(1)), picks = new Set(view.getAll("pick"));
    for (const [control, key] of controls) {
      control.value = view.get(key) ?? "";
      control.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const hidden = new Set(view.getAll("hide"));
    for (const box of columns) box.checked = !hidden.has(box.value);
    form.querySelector(".columns").dispatchEvent(new Event("change"));
    for (const table of tables) {
      const given = view.get(keyIn(table.closest("section"), "sort")) ?? "", wanted = given.startsWith("-") ? "descending" : "ascending";
      const heading = [...table.tHead.rows[0].cells].find(cell => cell.textContent && cell.textContent === given.replace(/^-/, ""));
      for (let clicks = 0; heading && heading.ariaSort !== wanted && clicks < 2; clicks++) heading.querySelector("button").click();
    }
    for (const box of boxes()) box.checked = picks.has(box.value);
    form.dispatchEvent(new Event("change"));
  };

  restore();
  save();
  for (const kind of ["input", "change", "click"]) form.addEventListener(kind, save);
  addEventListener("pageshow", restore); // the browser fills controls again when one comes back
  // Another view, or a part of the page, such as where the first link skips to.
  addEventListener("hashchange", () => (document.getElementById(location.hash.slice(1)) ? save() : location.reload()));
}
