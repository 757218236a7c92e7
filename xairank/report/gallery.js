"use strict";
/* Starts the gallery in <section id="gallery">, and keeps it and the address the same. */
(() => {
  const data = xairankGalleryData;
  const { state: states, cards, viewer } = xairankGallery;
  const section = document.getElementById("gallery");
  const controls = cards.make("div");
  const status = cards.make("p", { class: "gallery-status", role: "status" });
  const legend = cards.make("div", { class: "gallery-legend" });
  const place = cards.make("div");
  let state = states.parse(location.hash);
  let items = [];
  let shown = null;
  let listed = "";

  function render() {
    const listing = states.format({ ...states.DEFAULTS, ...Object.fromEntries([...states.FILTERS, "sort", "scale"].map((key) => [key, state[key]])) });
    if (listing !== listed) {
      listed = listing;
      const focused = document.activeElement?.id;
      controls.replaceChildren(cards.controls(state, change, reset));
      legend.replaceChildren(...cards.legend(state));
      document.getElementById(focused)?.focus({ preventScroll: true });
      items = states.select(state);
      const total = data.images.filter((image) => image.group === Number(state.group)).length;
      status.textContent = items.length
        ? `${items.length.toLocaleString("en")} of ${total.toLocaleString("en")} images`
        : "No image fits all of these choices.";
      if (state.image && !data.images.some((image) => image.name === state.image)) {
        status.textContent = `This report has no image ${state.image}. ${status.textContent}`;
      }
      shown = cards.list(items, { ...state, image: "" });
      place.replaceChildren(...shown.elements);
    }
    viewer.show(state, items, { set, move, close });
  }

  /* Changes the state; while a slider moves, the address is not yet to be changed, which browsers allow only so often. */
  function set(changes, remember = true) {
    state = states.valid({ ...state, ...changes });
    if (remember) history.replaceState(null, "", states.format(state));
    render();
  }

  const change = (key, value) => set({ [key]: value });
  const reset = () => set(Object.fromEntries([...states.FILTERS, "sort"].map((key) => [key, states.DEFAULTS[key]])));

  /* Opens the image that stands `step` places on. */
  function move(step) {
    const next = items[items.findIndex((item) => item.image.name === state.image) + step];
    if (next) set({ image: next.image.name });
  }

  function close() {
    const name = state.image;
    set({ image: "", run: "" });
    shown.focus(name);
  }

  section.append(xairankGallery.colorFilter("gallery-colors"), controls, legend, status, place);
  window.addEventListener("hashchange", () => {
    state = location.hash.startsWith("#gallery") ? states.parse(location.hash) : { ...state, image: "" };
    render();
  });
  render();
  if (location.hash.startsWith("#gallery?")) section.scrollIntoView();
})();
