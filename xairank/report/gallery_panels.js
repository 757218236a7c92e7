"use strict";
/* The panels of an opened image. Each has a painter, which is called with the state whenever that changes. */
xairankGallery.panels = (() => {
  const data = xairankGalleryData;
  const { cards, address } = xairankGallery;
  const { make, number, percent, className } = cards;
  const NAMES = { map: "Attribution", overlay: "Overlay", top: "Top-K pixels", inside: "Top-K in mask" };
  const MASK_GREY = 0.4; // of the mask where the top K pixels are not

  /* How many pixels the slider asks for, of a defect of k. */
  const topK = (k, state, most = Infinity) => Math.min(Math.max(Math.round(k * 2 ** (Number(state.top) / 10)), 1), most);

  function original({ image, painters }, run) {
    const place = run.picture ?? 0;
    if (place >= image.pictures.length) return make("p", { class: "gallery-absent" }, "The image is not at hand.");
    const layers = make("span", { class: "gallery-stack" }, make("img", { src: address(`${image.folder}/image${place}.jpg`), alt: `${className(image.label)}, ${image.name}` }));
    if (image.pictures[place]) {
      const line = make("img", { src: address(`${image.folder}/outline${place}.png`), alt: "" });
      painters.push((state) => (line.hidden = state.outline !== "yes"));
      layers.append(line);
    }
    return make("figure", {}, layers, make("figcaption", {}, "Input image"));
  }

  /* The panels of Figure 6, and the overlay. */
  function figureSix(view, run, content) {
    const { group, painters } = view;
    const first = make("div", { class: "gallery-originals" }, original(view, run), mask("Ground-truth mask", content.mask, content));
    if (content.predicted) first.append(mask("Predicted mask", content.predicted, content));
    const rows = group.methods.map((method, place) => {
      const source = { ...view, run, content, method, place };
      const score = make("p", { class: "gallery-score" });
      painters.push((state) => (score.textContent = inWords(source, state)));
      const panels = Object.entries(NAMES).map(([panel, label]) => figure(source, panel, label));
      const heading = make("h3", {}, cards.swatch(method), method.label);
      return make("div", { class: "gallery-method" }, make("div", { class: "gallery-heading" }, heading, score), make("div", { class: "gallery-row" }, ...panels));
    });
    return [first, make("div", { class: "gallery-methods" }, ...rows)];
  }

  /* One panel of all runs, a row a method. */
  function beside(view, runs, contents, panel) {
    const { group, painters } = view;
    return group.methods.map((method, place) => {
      const figures = runs.map((run, column) => {
        const content = contents[column];
        if (!content) {
          const as = run.outcome === "misclassified" ? ` as ${className(run.predicted).toLowerCase()}` : "";
          const why = data.outcomes[run.outcome].label + as;
          return make("figure", {}, make("p", { class: "gallery-absent" }, why), make("figcaption", {}, group.runs[run.run]));
        }
        const source = { ...view, run, content, method, place };
        const score = make("b", {});
        painters.push((state) => (score.textContent = number(shown(source, state).precision, 3)));
        return figure(source, panel, group.runs[run.run], score);
      });
      return make("div", { class: "gallery-beside" }, make("h3", {}, cards.swatch(method), method.label), make("div", { class: "gallery-row" }, ...figures));
    });
  }

  function mask(label, values, content) {
    const canvas = make("canvas", { role: "img", "aria-label": label });
    xairankGallery.paint(canvas, content.width, content.height, (place) => xairankGallery.grey(values[place]));
    return make("figure", {}, canvas, make("figcaption", {}, label));
  }

  function figure(source, panel, label, score = null) {
    const canvas = make("canvas", { role: "img", class: `gallery-panel-${panel}` });
    source.painters.push((state) => {
      draw(canvas, panel, source, state);
      canvas.setAttribute("aria-label", `${NAMES[panel]} of ${source.method.label}, ${source.group.runs[source.run.run]}: ${inWords(source, state)}`);
    });
    return make("figure", {}, canvas, make("figcaption", {}, label, score ? " " : null, score));
  }

  /* A map as it is shown: blurred, with its top pixels and its brightest value; kept until the blur or K changes. */
  function shown(source, state) {
    const { content, place } = source;
    content.shown ??= [];
    const wanted = `${state.blur} ${state.top}`;
    if (content.shown[place]?.wanted !== wanted) {
      const values = xairankGallery.blur(content.maps[place], content.width, Number(state.blur));
      const defect = content.mask.reduce((one, other) => one + other);
      const k = topK(defect, state, values.length);
      const top = xairankGallery.top(values, k);
      const hits = xairankGallery.hits(values, content.mask, top);
      content.shown[place] = { wanted, values, k, top, precision: hits / k, recall: hits / defect, exact: k === defect };
    }
    return content.shown[place];
  }

  function inWords(source, state) {
    const found = shown(source, state);
    const blurred = state.blur === "0" ? "" : ", blurred";
    if (found.exact) return `Top-K Overlap ${number(found.precision, 3)}${blurred}`;
    return `${percent(found.precision)} of the top pixels lie on the defect and cover ${percent(found.recall)} of it${blurred}`;
  }

  function draw(canvas, panel, source, state) {
    const { content, run, method, place } = source;
    const found = shown(source, state);
    const own = state.blur === "0" ? run.brightest[place] : xairankGallery.brightest(found.values);
    const highest = (state.scale === "common" ? method.highest : own) || 1;
    const { values, top } = found;
    const colors = {
      map: (pixel) => xairankGallery.color(values[pixel], highest),
      overlay: (pixel) => xairankGallery.color(values[pixel], highest, Number(state.overlay) / 100),
      top: (pixel) => xairankGallery.grey(top.weight(values[pixel])),
      inside: (pixel) => xairankGallery.grey(content.mask[pixel] ? Math.max(MASK_GREY, top.weight(values[pixel])) : 0),
    };
    xairankGallery.paint(canvas, content.width, content.height, colors[panel]);
    if (panel === "overlay") under(canvas, source, state);
  }

  /* Puts the image under what is drawn, and the outline over it. */
  function under(canvas, { image, run }, state) {
    const context = canvas.getContext("2d");
    const drawing = {}; // which of several drawings is the last
    canvas.drawing = drawing;
    const add = (name, operation) => {
      const picture = new Image();
      picture.src = address(`${image.folder}/${name}`);
      return picture.decode().then(() => {
        if (canvas.drawing !== drawing) return;
        context.globalCompositeOperation = operation;
        context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      });
    };
    const outlined = state.outline === "yes" && image.pictures[run.picture];
    add(`image${run.picture}.jpg`, "destination-over").then(() => outlined && add(`outline${run.picture}.png`, "source-over"));
  }

  return { NAMES, topK, original, figureSix, beside };
})();
