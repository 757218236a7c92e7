// What the page can do beyond being read: tables that are sorted, and copied as a text. A plain script, so that it runs from disk.
"use strict";

(() => {
  const said = document.getElementById("said");

  // A cell is sorted by its first number where it has one; what has none stands last, whichever way.
  const value = (row, column) => {
    const text = row.cells[column]?.textContent.trim() ?? "";
    const number = /^[<≥]?\s*([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)/i.exec(text);
    return { text, number: number ? Number(number[1].replaceAll(",", "")) : NaN };
  };

  const compare = (a, b, numeric, sign) => {
    if (!numeric) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
    if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
    return sign * (a.number - b.number);
  };

  // Rows that stand beneath another, as published values do, move with it; the line that names a group stays first.
  const sortBody = (body, column, numeric, sign) => {
    const heads = [];
    const units = [];
    for (const row of body.rows) {
      if (row.classList.contains("group")) heads.push(row);
      else if (row.classList.contains("beneath") && units.length) units.at(-1).rows.push(row);
      else units.push({ rows: [row], ...value(row, column) });
    }
    units.sort((a, b) => compare(a, b, numeric, sign));
    body.append(...heads, ...units.flatMap((unit) => unit.rows));
  };

  for (const table of document.querySelectorAll("table.results")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const numeric = head.classList.contains("number");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        // Numbers begin with the largest, words with A.
        const next = before === "none" ? (numeric ? "descending" : "ascending") : before === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", next);
        for (const body of table.tBodies) sortBody(body, column, numeric, next === "ascending" ? 1 : -1);
        said.textContent = `Sorted by ${button.textContent}, ${next}.`;
      });
    });
  }

  // Where the browser gives pages from disk no clipboard, the text is selected and copied as by hand.
  const copyByHand = (source) => {
    source.hidden = false;
    source.select();
    const done = document.execCommand("copy");
    source.hidden = true;
    return done;
  };

  const copy = async (source) => {
    try {
      await navigator.clipboard.writeText(source.value);
      return true;
    } catch {
      return copyByHand(source);
    }
  };

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.parentElement.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(document.getElementById(button.dataset.copy));
      button.focus();
      button.textContent = done ? "Copied" : "Not copied";
      said.textContent = done ? `Copied as ${label}.` : "The browser does not let this page copy; use the file instead.";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }

  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
