"use strict";
/* The controls above the gallery, and its cards. */
xairankGallery.cards = (() => {
  const data = xairankGalleryData;
  const { state: states, address } = xairankGallery;
  const BATCH = 48; // cards that are shown at once
  const LABELS = {
    group: "Configuration", split: "Split", class: "Class", seed: data.repeat === "seed" ? "Seed" : "Network", method: "Method",
    winner: "Winner", outcome: "Outcome", correct: "Prediction", sort: "Sort by", scale: "Colour scale",
  };

  /* An element with attributes (properties where they are functions or booleans) and children. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "string" || typeof value === "number") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const number = (value, digits = 2) => (value === null || value === undefined ? "\u2013" : value.toFixed(digits));
  const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
  const className = (label) => data.classes[label] ?? label;

  /* A labelled select. */
  function choice(key, label, options, value, change) {
    const select = make("select", { id: `gallery-${key}`, name: key, onchange: () => change(key, select.value) });
    select.append(...options.map(([name, text]) => make("option", { value: name }, text)));
    select.value = value;
    const wide = key === "sort" || key === "scale" ? " gallery-wide" : "";
    return make("div", { class: `gallery-control${wide}` }, make("label", { for: select.id }, label), select);
  }

  /* The controls; those without a choice are left out. */
  function controls(state, change, reset) {
    const offered = states.choices(state);
    const needed = { group: 2, split: 3, class: 3, seed: 3, method: 3, winner: 3, outcome: 3 };
    const keys = [...states.FILTERS, "sort", "scale"].filter((key) => offered[key].length >= (needed[key] ?? 2));
    return make(
      "form",
      { class: "gallery-controls", onsubmit: (event) => event.preventDefault(), "aria-label": "Filter and sort the images" },
      ...keys.map((key) => choice(key, LABELS[key], offered[key], state[key], change)),
      make("button", { type: "button", class: "gallery-button", onclick: reset }, "Reset"),
    );
  }

  /* An image with the outline of its defect. */
  function picture(item, description) {
    const { image, shown } = item;
    const number = shown.picture ?? 0;
    if (number >= image.pictures.length) return make("p", { class: "gallery-absent" }, "The image is not at hand.");
    const source = { loading: "lazy", decoding: "async", width: 224, height: 224 };
    return make(
      "span",
      { class: "gallery-stack" },
      make("img", { ...source, src: address(`${image.folder}/image${number}.jpg`), alt: description }),
      image.pictures[number] ? make("img", { ...source, src: address(`${image.folder}/outline${number}.png`), alt: "" }) : null,
    );
  }

  /* A small map: a grey picture, which a filter colours and, on a common scale, dims. */
  function thumbnail(item, method, place, scale, score) {
    const { image, group, shown } = item;
    const run = group.runs[shown.run];
    const map = make("img", {
      class: "gallery-map", loading: "lazy", decoding: "async", width: 112, height: 112,
      src: address(`${image.folder}/${shown.run}-${place}.jpg`),
      alt: `Map of ${method.label}, ${run}: ${group.metric.label} ${number(shown.scores?.[place], 3)}`,
    });
    const strength = scale === "common" ? shown.brightest[place] / method.highest : 1;
    map.style.filter = `brightness(${strength.toFixed(3)}) url(#gallery-colors)`;
    const won = item.winners.includes(method);
    const name = make("span", { class: "gallery-name", title: method.label }, swatch(method), method.label);
    return make(
      "figure",
      { class: won ? "gallery-won" : "" },
      map,
      make("figcaption", {}, name, make("b", {}, number(score)), won ? make("span", { class: "gallery-badge" }, "wins") : null),
    );
  }

  /* What the colours of the maps mean. */
  function legend(state) {
    const bar = make("canvas", { role: "img", "aria-label": "Colours from dark to bright" });
    xairankGallery.paint(bar, 256, 1, (place) => xairankGallery.color(place, 255));
    const brightest = {
      common: "one value for all images of a method, which few maps exceed",
      own: "each map's own 99.5th percentile",
    };
    return ["Maps: 0", bar, brightest[state.scale]];
  }

  function swatch(method) {
    const mark = make("span", { class: "gallery-swatch", "aria-hidden": "true" });
    mark.style.backgroundColor = method.color;
    return mark;
  }

  /* What became of an image, and what the model made of it. */
  function facts(item) {
    const { image, runs, ranked, group } = item;
    const parts = [[...new Set(runs.map((run) => data.splits[run.split]))].join(" and ")];
    if (item.size !== null) parts.push(`defect ${percent(item.size)}`);
    if (item.confidence !== null) parts.push(`confidence ${percent(item.confidence)}`);
    const found = [];
    const others = Object.entries(data.outcomes).filter(([name]) => name !== "ranked" && runs.some((run) => run.outcome === name));
    for (const [name, { label }] of others) {
      const those = runs.filter((run) => run.outcome === name);
      const wrong = [...new Set(those.map((run) => run.predicted).filter((predicted) => predicted !== image.label))];
      const as = wrong.length ? ` as ${wrong.map(className).join(", ").toLowerCase()}` : "";
      const text = name === "good" ? (wrong.length ? `misclassified${as}` : "classified as good") : `${label.toLowerCase()}${as}`;
      found.push(those.length < runs.length ? `${text} in ${those.length} of ${runs.length}` : text);
    }
    if (ranked.length > 1) found.push(`mean of ${ranked.length}, maps of ${group.runs[item.shown.run]}`);
    else if (runs.length === 1 && group.runs.length > 1) found.push(group.runs[item.shown.run]);
    return [parts, found].map((line) => make("span", {}, line.join(" \u00b7 ")));
  }

  function card(item, state) {
    const { image, group, shown } = item;
    const open = { ...state, image: image.name, run: group.runs[shown.run] };
    const methods = shown.brightest ? group.methods : [];
    return make(
      "li",
      { class: "gallery-card" },
      make("h3", {}, make("a", { href: states.format(open), id: `gallery-card-${image.folder}` }, image.name)),
      make("p", { class: "gallery-facts" }, ...facts(item)),
      make(
        "div",
        { class: "gallery-pictures" },
        make("figure", {}, picture(item, `${className(image.label)}, ${image.name}${image.pictures[shown.picture ?? 0] ? ", with the outline of the defect" : ""}`), make("figcaption", {}, className(image.label))),
        ...methods.flatMap((method, place) =>
          state.method && method.name !== state.method ? [] : [thumbnail(item, method, place, state.scale, item.scores[place])],
        ),
      ),
    );
  }

  /* The cards of a selection, the first of them at once. */
  function list(items, state) {
    const cards = make("ul", { class: "gallery-cards" });
    const more = make("button", { type: "button", class: "gallery-button gallery-more" });
    let count = 0;
    function extend(least) {
      const end = Math.min(items.length, Math.max(least, count + BATCH));
      cards.append(...items.slice(count, end).map((item) => card(item, state)));
      count = end;
      more.hidden = count >= items.length;
      more.textContent = `Show ${Math.min(BATCH, items.length - count)} more of ${(items.length - count).toLocaleString("en")}`;
    }
    more.onclick = () => {
      const first = count;
      extend(0);
      cards.children[first]?.querySelector("a").focus();
    };
    extend(0);
    /* Focuses the card of an image, which is shown first if it is not yet. */
    function focus(name) {
      const place = items.findIndex((item) => item.image.name === name);
      if (place < 0) return;
      if (place >= count) extend(place + 1);
      cards.children[place].querySelector("a").focus();
    }
    return { elements: [cards, more], focus };
  }

  return { make, number, percent, className, choice, controls, legend, list, swatch };
})();
