// A figure as SVG that needs no style sheet, to be copied or saved: its title, its legend, and what is drawn.

const SVG = "http://www.w3.org/2000/svg";
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-style", "font-weight", "text-anchor", "paint-order", "image-rendering", "visibility"];

const svgOf = figure => {
  const made = (name, attributes, ...children) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  // The node as it is shown, its style in its attributes where it is not that of its parent.
  const styled = (node, above) => {
    const computed = getComputedStyle(node), style = Object.fromEntries(STYLES.map(name => [name, computed.getPropertyValue(name)]));
    if (computed.display === "none" || node.matches(".stop, .target, .chosen[visibility=hidden]")) return [];
    const copy = node.cloneNode(false);
    for (const name of [...copy.getAttributeNames()]) if (/^(class|role|tabindex|style|aria-.*|data-.*)$/.test(name)) copy.removeAttribute(name);
    for (const [name, value] of Object.entries(style)) if (value !== above[name]) copy.setAttribute(name, value);
    for (const child of node.childNodes) copy.append(...(child.nodeType === Node.ELEMENT_NODE ? styled(child, style) : [child.cloneNode()]));
    return [copy];
  };
  const placed = (node, x, y, { width, height }) => styled(node, {}).map(copy => {
    for (const [name, value] of Object.entries({ x, y, width, height, overflow: "visible" })) copy.setAttribute(name, value);
    return copy;
  });
  const page = getComputedStyle(document.body), ink = { fill: page.color, "font-family": page.fontFamily, "font-size": 13 };
  const drawn = [...figure.querySelectorAll("svg:not(.swatch)")].filter(svg => !svg.parentElement.closest("svg") && svg.getClientRects().length);
  const width = Math.max(...drawn.map(svg => svg.getBoundingClientRect().width)), parts = [];
  parts.push(made("text", { ...ink, "font-weight": 650, y: 14 }, titleOf(figure)));
  let x = 0, y = 24;
  const legend = figure.querySelector(".legend") ?? figure.closest("section")?.querySelector(":scope > .legend");
  for (const item of legend?.children ?? []) {
    if (item.querySelector("[aria-pressed=false]")) continue;
    const swatch = item.querySelector(".swatch"), name = item.textContent.trim(), long = item.getBoundingClientRect().width + 12;
    if (x && x + long > width) [x, y] = [0, y + 18];
    if (swatch) parts.push(...placed(swatch, x, y, swatch.getBoundingClientRect()));
    parts.push(made("text", { ...ink, x: x + 28, y: y + 10 }, name));
    x += long;
  }
  y += x ? 22 : 0;
  for (const svg of drawn) {
    const box = svg.getBoundingClientRect();
    parts.push(...placed(svg, 0, y, box));
    y += box.height + 8;
  }
  const margin = 12, size = { width: Math.ceil(width + 2 * margin), height: Math.ceil(y + 2 * margin) };
  const ground = made("rect", { x: -margin, y: -margin, ...size, fill: page.backgroundColor });
  return new XMLSerializer().serializeToString(made("svg", { xmlns: SVG, viewBox: `${-margin} ${-margin} ${size.width} ${size.height}`, ...size }, ground, ...parts));
};
const titleOf = figure => [...figure.querySelector("figcaption").childNodes].filter(node => !node.matches?.(".note")).map(node => node.textContent).join("").replace(/\s+/g, " ").trim();

setUp("figure:has(svg)", figure => {
  if (figure.querySelector("details.copy-figure")) return;
  const details = document.createElement("details"), summary = document.createElement("summary"), name = titleOf(figure);
  details.className = "copy copy-figure";
  summary.textContent = "Copy figure";
  summary.setAttribute("aria-label", `Copy figure ${name}`);
  details.append(summary);
  if (navigator.clipboard) details.append(copyButton("SVG", `Copy ${name} as SVG`, () => svgOf(figure)));
  const save = document.createElement("button");
  save.type = "button";
  save.className = "more";
  save.textContent = "Save SVG";
  save.setAttribute("aria-label", `Save ${name} as SVG`);
  save.addEventListener("click", () => {
    const link = document.createElement("a"), address = URL.createObjectURL(new Blob([svgOf(figure)], { type: "image/svg+xml" }));
    link.href = address;
    link.download = `${name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_|_$/g, "").slice(0, 60) || "figure"}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
  details.append(save);
  figure.append(details);
});
