// The box for a text of one's own: each change asks the server, one request at a time, and an answer to a text that has changed since is dropped.
setUp("#own", section => {
  const box = section.querySelector("textarea"), told = section.querySelector("output"), place = section.querySelector(".answer-of-model");
  const attributions = section.querySelector(".attributions"), go = section.querySelector(".go-on"), stop = section.querySelector(".halt");
  let isAsking = false, isLoaded = false, writing = null;

  const query = () => new URLSearchParams({ text: box.value, attributions: attributions?.checked ? 1 : "" }).toString();
  const get = async (file, parameters, options) => {
    const answer = await fetch(`${file}?${parameters}`, options).catch(error => {
      throw error.name === "AbortError" ? error : new Error("gatelab ui does not answer any more. Start it again.");
    });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    return answer;
  };
  const ask = async () => {
    if (isAsking || writing) return;
    isAsking = true;
    let asked = null;
    while (query() !== asked && !writing) {
      asked = query();
      const isEmpty = !box.value.trim();
      if (!isLoaded) told.textContent = "Loading the model …";
      try {
        const answer = await (await get(isEmpty ? "load" : "read", isEmpty ? "" : asked)).text();
        isLoaded = true;
        if (query() === asked && !writing) await show(answer, asked);
        told.textContent = "";
      } catch (error) {
        if (query() !== asked) continue;
        told.textContent = error.message;
        await show("", asked);
      }
    }
    isAsking = false;
  };
  const show = async (answer, asked) => {
    const made = document.createElement("template");
    made.innerHTML = answer;
    const pictures = [...made.content.querySelectorAll("image")].map(image => Object.assign(new Image(), { src: image.getAttribute("href") }));
    await Promise.allSettled(pictures.map(picture => picture.decode())); // so that none appears later than the rest
    if (query() !== asked) return;
    const kept = choices();
    place.replaceChildren(made.content);
    setUpAll(place);
    restore(kept);
  };
  const choices = () => ({
    selects: [...place.querySelectorAll("select")].map(select => [select.className, select.value]),
    open: [...place.querySelectorAll("details")].map(part => part.open),
    left: place.querySelector(".wide")?.scrollLeft ?? 0,
  });
  const restore = ({ selects, open, left }) => {
    const chosen = Object.fromEntries(selects);
    for (const name of ["which", "unit", "by"]) { // the last decides what tints the text
      const select = place.querySelector(`select.${name}`);
      if (!select || ![...select.options].some(option => option.value === chosen[name])) continue;
      select.value = chosen[name];
      select.dispatchEvent(new Event("change"));
    }
    place.querySelectorAll("details").forEach((part, at) => { part.open = open[at] ?? false; });
    if (place.querySelector(".wide")) place.querySelector(".wide").scrollLeft = left;
  };
  const write = async () => {
    writing = new AbortController();
    box.readOnly = go.disabled = true;
    stop.hidden = false;
    told.textContent = isLoaded ? "" : "Loading the model …";
    try {
      const parameters = new URLSearchParams({ text: box.value, temperature: section.querySelector(".temperature").value });
      const reader = (await get("continued", parameters, { signal: writing.signal })).body.pipeThrough(new TextDecoderStream()).getReader();
      isLoaded = true;
      told.textContent = "";
      for (let piece = await reader.read(); !piece.done && box.value.length < box.maxLength; piece = await reader.read()) {
        box.value = (box.value + piece.value).slice(0, box.maxLength);
        box.scrollTop = box.scrollHeight;
      }
      if (box.value.length >= box.maxLength) told.textContent = `The box is full: ${counted(box.maxLength)} characters.`;
      await reader.cancel();
    } catch (error) {
      if (error.name !== "AbortError") told.textContent = error.message;
    }
    const said = told.textContent;
    writing = null;
    box.readOnly = go.disabled = false;
    stop.hidden = true;
    await ask();
    told.textContent ||= said;
  };

  box.addEventListener("focus", () => { if (!isLoaded) ask(); });
  box.addEventListener("input", ask);
  attributions?.addEventListener("change", ask);
  go?.addEventListener("click", write);
  stop?.addEventListener("click", () => writing?.abort());
  if (box.value) ask(); // the browser fills it again when one comes back
});
