// Commands and tables are copied: a table as it is shown, as CSV, Markdown or LaTeX with booktabs. And links that only gatelab ui answers.

const isFile = location.protocol === "file:";
for (const link of document.querySelectorAll("[data-served]")) link.hidden = isFile;
for (const text of document.querySelectorAll("[data-file]")) text.hidden = !isFile;

const copyButton = (word, name, text) => {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "more";
  made.textContent = word;
  made.setAttribute("aria-label", name);
  made.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    made.textContent = "Copied";
    setTimeout(() => { made.textContent = word; }, 1500);
  });
  return made;
};

if (navigator.clipboard) {
  const cellsOf = (row, skipped) => [...row.cells].filter((_, column) => !skipped.has(column));
  const plain = node => node.innerText.replace(/\s+/g, " ").trim().replaceAll("−", "-");
  // Rows of texts, the heading first; what is small below a number, its interval, has a column of its own.
  const read = table => {
    const lines = [...table.rows].filter(row => !row.hidden && !row.matches(".group")), heading = lines[0];
    const skipped = new Set([...heading.cells].flatMap((cell, column) => (cell.hidden || cell.classList.contains("pick") ? [column] : [])));
    const body = lines.slice(1).map(row => cellsOf(row, skipped).map(cell => {
      const small = cell.querySelector("small"), below = small ? plain(small) : "", all = plain(cell);
      return [below ? all.slice(0, all.length - below.length).trim() : all, below];
    }));
    const titles = cellsOf(heading, skipped), split = titles.map((_, column) => body.some(cells => cells[column]?.[1]));
    const flat = cells => cells.flatMap(([value, below], column) => (split[column] ? [value, below] : [value]));
    return {
      rows: [flat(titles.map(cell => [plain(cell), `${plain(cell)}, interval`])), ...body.map(flat)],
      numeric: titles.flatMap((cell, column) => Array(1 + split[column]).fill(cell.classList.contains("number"))),
    };
  };
  const csvCell = text => {
    const safe = /^[=@]|^[+-](?![\d.])/.test(text) ? `'${text}` : text; // a spreadsheet would compute it
    return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const special = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "±": "$\\pm$", "…": "\\dots{}", "[": "{[}", "]": "{]}", "*": "{*}" };
  const latexCell = text => (/^[-+]?[\d.,]+( ± [\d.]+)?$|^\[[-\d., ]+\]$/.test(text) ? `$${text.replace("±", "\\pm")}$` : text.replace(/[\\~^<>|±…&%$#_{}[\]*]/g, found => special[found] ?? `\\${found}`));
  const bars = cells => `| ${cells.join(" | ")} |`;
  const kinds = {
    CSV: ({ rows }) => rows.map(cells => cells.map(csvCell).join(",")).join("\n"),
    Markdown: ({ rows, numeric }) => {
      const [heading, ...body] = rows.map(cells => bars(cells.map(text => text.replace(/[\\`*_|~$<[\]]/g, "\\$&"))));
      return [heading, bars(numeric.map(number => (number ? "---:" : "---"))), ...body].join("\n");
    },
    LaTeX: ({ rows, numeric }) => {
      const [heading, ...body] = rows.map(cells => `${cells.map(latexCell).join(" & ")} \\\\`);
      const columns = numeric.map(number => (number ? "r" : "l")).join("");
      return [`\\begin{tabular}{@{}${columns}@{}}`, "\\toprule", heading, "\\midrule", ...body, "\\bottomrule", "\\end{tabular}"].join("\n");
    },
  };

  for (const command of document.querySelectorAll("pre.command")) command.after(copyButton("Copy", `Copy ${command.textContent}`, () => command.textContent));
  for (const table of document.querySelectorAll(".wide > table")) {
    const place = table.parentElement, name = table.dataset.name ?? place.getAttribute("aria-label");
    const details = document.createElement("details"), summary = document.createElement("summary");
    details.className = "copy";
    summary.textContent = "Copy";
    summary.setAttribute("aria-label", `Copy ${name}`);
    details.append(summary, ...Object.entries(kinds).map(([kind, written]) => copyButton(kind, `Copy ${name} as ${kind}`, () => `${written(read(table))}\n`)));
    place.after(details);
  }
}
