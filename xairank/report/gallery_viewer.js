"use strict";
/* An opened image: the panels of Figure 6 for every method, or one panel of every run side by side. */
xairankGallery.viewer = (() => {
  const data = xairankGalleryData;
  const { state: states, cards, panels, load } = xairankGallery;
  const { make, number, percent, className } = cards;
  const TIMES = "\u00d7";
  const REPEAT = data.repeat === "seed" ? "Seed" : "Network";
  const SLIDERS = Object.fromEntries(["overlay", "top", "blur", "outline"].map((key) => [key, states.DEFAULTS[key]]));
  const FRAME = 30; // milliseconds of painting at a time

  let dialog = null;
  let parts = null;
  let actions = null;
  let built = ""; // what the panels were built for
  let painters = []; // what repaints the panels when a slider moves
  let loading = false; // whether maps are awaited
  let pending = 0;
  let latest = null; // the state that is shown

  /* Shows the image that the state names, or nothing. */
  function show(state, items, given) {
    actions = given;
    const image = data.images.find((one) => one.group === Number(state.group) && one.name === state.image);
    if (!image) {
      latest = null;
      if (dialog?.open) dialog.close();
      return;
    }
    if (!dialog) create();
    const item = items.find((one) => one.image === image) ?? states.summarise(image, { ...states.DEFAULTS, group: state.group });
    const group = data.groups[image.group];
    const run = runOf(image, group, state, item);
    heading(image, group, run, items, state);
    tools(state, image, group, run);
    const wanted = [state.group, image.name, run.run, state.view, state.panel].join("\n");
    if (wanted !== built) {
      built = wanted;
      build(state, image, group, run, wanted);
    }
    latest = state;
    repaint();
    if (!dialog.open) {
      dialog.showModal();
      parts.title.focus();
    }
  }

  /* The run that is asked for, else that of the card. */
  function runOf(image, group, state, item) {
    return image.runs.find((run) => group.runs[run.run] === state.run) ?? item.shown;
  }

  function create() {
    const button = (text, label, onclick, key) =>
      make("button", { type: "button", class: "gallery-button", "aria-label": label, title: key, onclick }, text);
    parts = {
      title: make("h2", { id: "gallery-title", tabindex: -1, "aria-live": "polite" }),
      position: make("span", { class: "gallery-position", role: "status" }),
      back: button("\u2190", "Previous image", () => actions.move(-1), "Previous image (left arrow)"),
      on: button("\u2192", "Next image", () => actions.move(1), "Next image (right arrow)"),
      close: button("\u2715", "Close", () => dialog.close(), "Close (Escape)"),
      facts: make("dl", { class: "gallery-summary" }),
      tools: make("form", { class: "gallery-tools", "aria-label": "What the panels show", onsubmit: (event) => event.preventDefault() }),
      panels: make("div", { class: "gallery-panels" }),
    };
    dialog = make(
      "dialog",
      { class: "gallery-dialog", onclose: closed, onkeydown: key },
      make("header", {}, parts.title, make("div", { class: "gallery-steps" }, parts.position, parts.back, parts.on, parts.close)),
      parts.facts,
      parts.tools,
      parts.panels,
    );
    dialog.setAttribute("aria-labelledby", "gallery-title");
    document.getElementById("gallery").append(dialog);
  }

  function closed() {
    cancelAnimationFrame(pending);
    busy(false);
    built = "";
    painters = [];
    if (latest) actions.close(); // else the address has changed already
  }

  /* The arrows move on, unless they move a slider or a choice. */
  function key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    event.preventDefault();
    actions.move(step);
  }

  function heading(image, group, run, items, state) {
    const place = items.findIndex((one) => one.image === image);
    parts.title.textContent = image.name;
    parts.position.textContent = place < 0 ? "" : `${place + 1} of ${items.length}`;
    parts.back.disabled = place <= 0;
    parts.on.disabled = place < 0 || place === items.length - 1;
    const facts = state.view === "runs" ? factsOfAll(image, group) : factsOf(image, group, run);
    parts.facts.replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  }

  /* What the title of Figure 6 says of an image in a run. */
  function factsOf(image, group, run) {
    const known = (value) => value !== null && value !== undefined;
    const facts = [
      ["True class", className(image.label)],
      ["Predicted", className(run.predicted) + (known(run.probability) ? ` (${percent(run.probability)})` : "")],
      ["Split", data.splits[run.split]],
      [REPEAT, group.runs[run.run]],
    ];
    if (known(run.size)) facts.push(["Defect", known(run.k) ? `${run.k.toLocaleString("en")} pixels (${percent(run.size)})` : percent(run.size)]);
    if (known(run.disagreement)) facts.push(["Methods disagree on", `${percent(run.disagreement)} of their top pixels`]);
    if (run.scores) facts.push([`Ranking by ${group.metric.label}`, ranking(group, run.scores)]);
    else facts.push([data.outcomes[run.outcome].label, data.outcomes[run.outcome].why]);
    return facts;
  }

  /* The same over all runs. */
  function factsOfAll(image, group) {
    const whole = states.summarise(image, states.DEFAULTS);
    const correct = image.runs.filter((run) => run.predicted === image.label).length;
    const facts = [
      ["True class", className(image.label)],
      ["Classified correctly", `in ${correct} of ${image.runs.length} ${data.repeat}s`],
    ];
    if (whole.size !== null) facts.push(["Defect", percent(whole.size)]);
    if (whole.disagreement !== null) facts.push(["Methods disagree on", `${percent(whole.disagreement)} of their top pixels`]);
    if (whole.ranked.length) facts.push([`Ranking by mean ${group.metric.label}`, ranking(group, whole.scores)]);
    return facts;
  }

  /* Methods from the best to the worst, as in the title of Figure 6: > between them, = between equal ones. */
  function ranking(group, scores) {
    const sign = group.metric.higherIsBetter ? -1 : 1;
    const order = group.methods.map((_, place) => place).sort((one, other) => sign * (scores[one] - scores[other]));
    return order
      .map((place, rank) => {
        const tied = rank && Math.abs(scores[place] - scores[order[rank - 1]]) < 5e-7;
        return `${rank ? (tied ? " = " : " > ") : ""}${group.methods[place].label} ${number(scores[place], 3)}`;
      })
      .join("");
  }

  /* The controls; made once an image, as a slider must not lose the pointer while it is moved. */
  function tools(state, image, group, run) {
    const explained = image.runs.filter((one) => one.brightest);
    const name = [image.group, image.name, run.run, state.view].join("\n");
    if (parts.tools.dataset.for !== name) {
      parts.tools.dataset.for = name;
      parts.tools.replaceChildren(...(explained.length ? controls(state, image, group, run, explained) : []));
    }
    for (const control of parts.tools.elements) {
      if (control.type === "checkbox") control.checked = state[control.name] === "yes";
      else if (control.name && control.name !== "run") control.value = state[control.name];
      if (control.type === "range") describe(control, state, run);
    }
  }

  function controls(state, image, group, run, explained) {
    const change = (key, value) => actions.set({ [key]: value });
    const found = [];
    if (explained.length > 1) {
      const views = [["panels", `One ${data.repeat}, all panels`], ["runs", `All ${data.repeat}s, one panel`]];
      found.push(cards.choice("view", "Show", views, state.view, change));
    }
    if (state.view === "runs" && explained.length > 1) found.push(cards.choice("panel", "Panel", Object.entries(panels.NAMES), state.panel, change));
    else if (image.runs.length > 1) {
      const runs = image.runs.map((one) => [group.runs[one.run], group.runs[one.run] + (one.brightest ? "" : `: ${data.outcomes[one.outcome].label.toLowerCase()}`)]);
      found.push(cards.choice("run", REPEAT, runs, group.runs[run.run], change));
    }
    found.push(
      slider("overlay", "Overlay", 0, 100, 5),
      slider("top", "Top-K", -30, 30, 1),
      slider("blur", "Blur", 0, 32, 1),
      scale(state, change),
      outline(),
      make("button", { type: "button", class: "gallery-button", onclick: () => actions.set(SLIDERS) }, "Reset sliders"),
    );
    return found;
  }

  function scale(state, change) {
    const control = cards.choice("scale", "Colour scale", states.choices(state).scale, state.scale, change);
    control.querySelector("select").id = "gallery-opened-scale";
    control.querySelector("label").htmlFor = "gallery-opened-scale";
    control.classList.remove("gallery-wide");
    return control;
  }

  function outline() {
    const box = make("input", { type: "checkbox", id: "gallery-outline", name: "outline", onchange: () => actions.set({ outline: box.checked ? "yes" : "no" }) });
    return make("div", { class: "gallery-check" }, box, make("label", { for: "gallery-outline" }, "Outline of the defect"));
  }

  function slider(name, label, min, max, step) {
    const input = make("input", { type: "range", id: `gallery-${name}`, name, min, max, step });
    input.oninput = () => actions.set({ [name]: input.value }, false);
    input.onchange = () => actions.set({ [name]: input.value });
    const value = make("output", { id: `gallery-${name}-value`, for: input.id });
    return make("div", { class: "gallery-control" }, make("label", { for: input.id }, label, " ", value), input);
  }

  /* What a slider's place means, in words. */
  function describe(control, state, run) {
    const factor = 2 ** (Number(state.top) / 10);
    const text = {
      overlay: () => `${state.overlay} %`,
      top: () => `${run.k ? `${panels.topK(run.k, state).toLocaleString("en")}, ` : ""}${factor.toFixed(factor < 1 ? 2 : 1)} ${TIMES} defect`,
      blur: () => ({ 0: "none", 1: "1 pixel" })[state.blur] ?? `${state.blur} pixels`,
    }[control.name]();
    control.setAttribute("aria-valuetext", text);
    document.getElementById(`${control.id}-value`).textContent = text;
  }

  /* Makes the panels, and what repaints them. */
  function build(state, image, group, run, wanted) {
    painters = [];
    loading = false;
    parts.panels.replaceChildren();
    const view = { image, group, painters };
    const all = state.view === "runs" && image.runs.some((one) => one.brightest);
    if (!all && !run.brightest) {
      parts.panels.append(make("div", { class: "gallery-originals" }, panels.original(view, run)));
      return;
    }
    loading = true;
    const runs = all ? image.runs : [run];
    const contents = runs.map((one) => (one.brightest ? load(`${image.folder}/${one.run}`) : null));
    Promise.all(contents).then(
      (found) => {
        if (built !== wanted) return; // another image was opened meanwhile
        loading = false;
        parts.panels.classList.toggle("gallery-apart", !all);
        parts.panels.replaceChildren(...(all ? panels.beside(view, runs, found, state.panel) : panels.figureSix(view, run, found[0])));
        repaint();
      },
      (error) => parts.panels.replaceChildren(make("p", { class: "gallery-remark", role: "alert" }, error.message)),
    );
  }

  /* Repaints, a frame at a time, so that a slider that moves meanwhile is followed at once. */
  function repaint() {
    const waiting = [...painters];
    const paintSome = () => {
      const end = performance.now() + FRAME;
      while (waiting.length && performance.now() < end) waiting.shift()(latest);
      if (waiting.length) pending = requestAnimationFrame(paintSome);
      else busy(loading);
    };
    busy(true);
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(paintSome);
  }

  /* Says to assistive software whether the panels are about to change. */
  const busy = (is) => parts.panels.setAttribute("aria-busy", String(is));

  return { show };
})();
