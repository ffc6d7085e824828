// The page of a sweep: strip plots with keyboard navigation, arms to show and hide, parallel coordinates to filter.

setUp("figure.strip", figure => {
  const said = figure.querySelector(".said"), quiet = said.textContent;
  const rows = [...figure.querySelectorAll(".arm")].map(arm => [...arm.querySelectorAll(".seed")]).filter(row => row.length);
  const seeds = rows.flat();
  const say = seed => {
    said.textContent = seed ? seed.getAttribute("aria-label") : quiet;
    said.classList.toggle("now", seed !== null);
  };
  for (const seed of seeds) seed.setAttribute("tabindex", seed === seeds[0] ? "0" : "-1"); // one stop for the Tab key, not one a run
  figure.addEventListener("pointerover", event => say(event.target.closest(".seed")));
  figure.addEventListener("pointerleave", () => say(null));
  figure.addEventListener("focusin", event => say(event.target.closest(".seed")));
  figure.addEventListener("focusout", () => say(null));
  figure.addEventListener("keydown", event => {
    const from = event.target.closest(".seed");
    const row = rows.findIndex(seeds => seeds.includes(from));
    if (row < 0) return;
    const column = rows[row].indexOf(from);
    const at = { ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1], ArrowDown: [row + 1, column], ArrowUp: [row - 1, column],
      Home: [row, 0], End: [row, Infinity] }[event.key];
    const line = at && rows[at[0]];
    if (!line) return;
    event.preventDefault();
    const to = line[Math.max(0, Math.min(line.length - 1, at[1]))];
    from.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  });
});

setUp(".toggles", legend => {
  const most = 6, section = legend.closest("section");
  const items = [...legend.children].map(item => {
    const arm = item.className.replace("arm-", "a");
    return { item, marks: [...section.querySelectorAll(`.plot .${arm}`)] };
  });
  const buttons = items.map(({ item, marks }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...item.childNodes);
    item.append(button);
    const show = shown => {
      button.setAttribute("aria-pressed", shown);
      for (const mark of marks) mark.classList.toggle("off", !shown);
    };
    const others = items.filter(other => other.item !== item).flatMap(other => other.marks).filter(mark => !mark.closest(".stop"));
    const stress = on => { for (const mark of others) mark.classList.toggle("faint", on && button.ariaPressed === "true"); };
    button.addEventListener("click", () => { show(button.getAttribute("aria-pressed") !== "true"); stress(false); });
    for (const [kind, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]])
      button.addEventListener(kind, () => stress(on));
    return { button, show };
  });
  buttons.forEach(({ show }, number) => show(number < most));
  if (buttons.length > most) {
    for (const [word, shown] of [["All", true], ["None", false]]) {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.addEventListener("click", () => buttons.forEach(({ show }) => show(shown)));
      item.append(button);
      legend.append(item);
    }
  }
});

setUp("figure.parallel", figure => {
  const said = figure.querySelector(".said"), quiet = said.textContent, svg = figure.querySelector("svg");
  const lower = "lower" in figure.dataset;
  const lines = [...figure.querySelectorAll(".run")].map(node => ({
    node, ys: node.dataset.ys.split(" ").map(Number), value: Number(node.dataset.value), tip: node.dataset.tip, url: node.dataset.url,
  }));
  const draw = (parent, name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };

  const reset = document.createElement("button"), tools = document.createElement("div"), count = document.createElement("output");
  tools.className = "tools";
  reset.type = "button";
  reset.className = "more";
  reset.textContent = "Show all runs";
  tools.append(count, reset);
  figure.querySelector(".wide").before(tools);

  const filter = () => {
    const kept = lines.filter(({ ys }) => axes.every(({ levels, low, high }, k) => ys[k] <= levels[low][0] && ys[k] >= levels[high][0]));
    const inside = new Set(kept);
    for (const line of lines) line.node.classList.toggle("out", !inside.has(line));
    const values = kept.map(({ value }) => value), best = lower ? Math.min(...values) : Math.max(...values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const numbers = kept.length ? ` · ${figure.dataset.metric} mean ${mean.toFixed(4)}, best ${best.toFixed(4)}` : "";
    count.textContent = `${kept.length} of ${lines.length} ${lines.length === 1 ? "run" : "runs"}${numbers}`;
    reset.hidden = axes.every(({ levels, low, high }) => low === 0 && high === levels.length - 1);
  };

  const axes = [...figure.querySelectorAll(".axis")].map((node, place) => {
    const levels = JSON.parse(node.dataset.levels); // [y, label], from below
    const x = Number(node.dataset.x), stem = node.querySelector(".stem");
    const axis = { levels, low: 0, high: levels.length - 1 };
    const kept = draw(node, "path", { class: "kept" });
    const reach = draw(node, "rect", { class: "reach", x: x - 12, y: 30, width: 24, height: 286 });
    const ends = ["low", "high"].map(name => {
      const end = draw(node, "g", { class: "end", role: "slider", tabindex: 0, "aria-orientation": "vertical",
        "aria-label": `${node.dataset.title}, ${name === "low" ? "from" : "to"}`, "aria-valuemin": 0, "aria-valuemax": levels.length - 1 });
      draw(end, "path", { d: name === "low" ? "M-7,0H7L0,8Z" : "M-7,0H7L0,-8Z" });
      return { name, end };
    });
    const reachOf = (name, level) => { // neither end passes the other
      axis[name] = name === "low" ? Math.max(0, Math.min(level, axis.high)) : Math.min(levels.length - 1, Math.max(level, axis.low));
    };
    const place_ = () => {
      const all = axis.low === 0 && axis.high === levels.length - 1;
      kept.setAttribute("d", all ? "" : `M${x},${levels[axis.low][0] + 3}V${levels[axis.high][0] - 3}`);
      for (const { name, end } of ends) {
        const [y, label] = levels[axis[name]];
        end.setAttribute("transform", `translate(${x} ${name === "low" ? y + 4 : y - 4})`);
        end.setAttribute("aria-valuenow", axis[name]);
        end.setAttribute("aria-valuetext", label);
      }
      filter_();
    };
    let filter_ = () => {};
    axis.show = () => { filter_ = filter; place_(); };
    axis.all = () => { axis.low = 0; axis.high = levels.length - 1; place_(); };
    place_();
    for (const { name, end } of ends) {
      end.addEventListener("keydown", event => {
        const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, Home: -Infinity, End: Infinity, PageUp: 10, PageDown: -10 }[event.key];
        if (event.key === "Escape") axis.all();
        if (step === undefined) return;
        event.preventDefault();
        reachOf(name, axis[name] + step);
        place_();
      });
    }
    const levelAt = event => { // the nearest value to the pointer
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return levels.reduce((best, [y], number) => (Math.abs(y - point.y) < Math.abs(levels[best][0] - point.y) ? number : best), 0);
    };
    let from = null, moved = null;
    node.addEventListener("pointerdown", event => {
      const end = ends.find(({ end }) => end.contains(event.target));
      if (!end && event.target !== reach) return;
      event.preventDefault();
      node.setPointerCapture(event.pointerId);
      moved = end ? end.name : null;
      from = end ? null : levelAt(event);
      if (end) end.end.focus();
    });
    node.addEventListener("pointermove", event => {
      if (moved !== null) reachOf(moved, levelAt(event));
      else if (from !== null) [axis.low, axis.high] = [from, levelAt(event)].sort((a, b) => a - b);
      else return;
      place_();
    });
    for (const kind of ["pointerup", "pointercancel"]) node.addEventListener(kind, () => { from = moved = null; });
    return axis;
  });
  for (const axis of axes) axis.show();
  reset.addEventListener("click", () => { for (const axis of axes) axis.all(); });

  const say = line => {
    for (const other of lines) other.node.classList.toggle("at", other === line);
    said.textContent = line ? line.tip : quiet;
    said.classList.toggle("now", Boolean(line));
  };
  const lineOf = event => lines.find(({ node }) => node === event.target.closest(".run"));
  figure.addEventListener("pointerover", event => say(lineOf(event)));
  figure.addEventListener("pointerleave", () => say(null));
  figure.addEventListener("click", event => {
    const line = lineOf(event);
    if (line?.url) event.ctrlKey || event.metaKey ? window.open(line.url) : location.assign(line.url);
  });
});
