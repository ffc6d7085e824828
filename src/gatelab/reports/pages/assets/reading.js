// A text that a model reads: what tints its words, and which map of units is shown. The colours of a unit are read from its map's picture.
setUp(".reading", reading => {
  const tools = reading.querySelector(".tools"), maps = [...reading.querySelectorAll(".map")];
  if (!tools) return;
  const words = [...reading.querySelectorAll(".tinted > span")], keys = [...reading.querySelectorAll(".keys > span")];
  const by = tools.querySelector(".by"), unit = tools.querySelector(".unit"), which = tools.querySelector(".which");
  tools.hidden = false;
  const map = () => maps[which.value];
  const units = () => map().dataset.units.split(",");

  const colours = async row => {
    const picture = new Image();
    picture.src = map().querySelector("image").getAttribute("href");
    await picture.decode();
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [picture.width, picture.height];
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, row, picture.width, 1).data;
  };
  const tintByUnit = async () => {
    const row = Number(unit.value), pixels = await colours(row);
    if (by.value !== "unit" || row !== Number(unit.value)) return;
    words.forEach((word, at) => {
      const [red, green, blue, there] = pixels.slice(4 * at, 4 * at + 4);
      word.className = "";
      word.style.background = there ? `rgb(${red} ${green} ${blue})` : "";
      word.style.color = there ? (luminance(red, green, blue) > 0.179 ? "#000" : "#fff") : "";
    });
    const chosen = map().querySelector(".chosen"), height = Number(chosen.getAttribute("height"));
    chosen.setAttribute("y", 18 + row * height);
    chosen.setAttribute("visibility", "visible");
    keys.at(-1).textContent = `Unit ${units()[row]} of the ${map().dataset.title.split(":")[0]}, in the colours of its map.`;
  };
  const tint = () => {
    for (const one of maps) one.querySelector(".chosen").setAttribute("visibility", "hidden");
    keys.forEach((key, at) => { key.hidden = by.value === "unit" ? at !== keys.length - 1 : at !== Number(by.value); });
    if (by.value === "unit") return tintByUnit();
    for (const word of words) {
      const name = word.dataset.tints.split(" ")[by.value];
      word.removeAttribute("style");
      word.className = name === "-" ? "" : name;
    }
  };
  const show = () => {
    maps.forEach((one, at) => one.toggleAttribute("hidden", at !== Number(which.value)));
    const before = unit.value;
    unit.replaceChildren(...units().map((number, row) => new Option(number, row)));
    unit.value = before && before < units().length ? before : 0;
    tint();
  };

  by.addEventListener("change", tint);
  if (!maps.length) return;
  which.addEventListener("change", show);
  unit.addEventListener("change", () => { by.value = "unit"; tint(); });
  maps.forEach(one => one.querySelector("image").addEventListener("click", event => {
    const box = event.target.getBoundingClientRect();
    unit.value = Math.min(units().length - 1, Math.floor((event.clientY - box.top) / box.height * units().length));
    by.value = "unit";
    tint();
  }));
  show();
});

function luminance(...channels) { // of the Web Content Accessibility Guidelines
  const [red, green, blue] = channels.map(value => value / 255).map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
