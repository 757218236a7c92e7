"use strict";
/* What is shown: kept in the address, so that it can be sent, and applied to the index of images. */
xairankGallery.state = (() => {
  const data = xairankGalleryData;
  const DEFAULTS = {
    group: "0", split: "", class: "", seed: "", method: "", winner: "", outcome: "", correct: "", sort: "name",
    scale: "common", image: "", run: "", view: "panels", panel: "overlay", overlay: "80", top: "0", blur: "0", outline: "yes",
  };
  const FILTERS = ["group", "split", "class", "seed", "method", "winner", "outcome", "correct"];
  const START = "#gallery?";

  /* The state that an address's fragment names; what it does not name is as at the start. */
  function parse(fragment) {
    const given = fragment.startsWith(START) ? new URLSearchParams(fragment.slice(START.length)) : new URLSearchParams();
    return Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, given.get(key) ?? value]));
  }

  function format(state) {
    const changed = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
    return changed.length ? `${START}${new URLSearchParams(changed)}` : "#gallery";
  }

  const groupOf = (state) => data.groups[state.group] ?? data.groups[0];

  const mean = (values) => {
    const known = values.filter((value) => value !== null && value !== undefined);
    return known.length ? known.reduce((one, other) => one + other) / known.length : null;
  };

  /* An image with the runs that are asked for, and the means over these; null where there is none. */
  function summarise(image, state) {
    const group = data.groups[image.group];
    const correct = { yes: true, no: false }[state.correct];
    const runs = image.runs.filter(
      (run) =>
        (!state.split || run.split === state.split) &&
        (!state.seed || group.runs[run.run] === state.seed) &&
        (!state.outcome || run.outcome === state.outcome) &&
        (correct === undefined || (run.predicted === image.label) === correct),
    );
    if (!runs.length) return null;
    const ranked = runs.filter((run) => run.scores);
    const scores = group.methods.map((_, place) => mean(ranked.map((run) => run.scores[place])));
    const wins = group.methods.map((_, place) => mean(ranked.map((run) => run.wins[place])));
    const most = Math.max(...wins.map((win) => win ?? 0));
    const winners = ranked.length ? group.methods.filter((_, place) => wins[place] > most - 1e-6) : [];
    const chosen = group.methods.findIndex((method) => method.name === state.method);
    return {
      image, group, runs, ranked, scores, winners,
      shown: runs.find((run) => run.brightest) ?? runs[0],
      overlap: chosen < 0 ? mean(scores) : scores[chosen],
      disagreement: mean(runs.map((run) => run.disagreement)),
      size: mean(runs.map((run) => run.size)),
      confidence: mean(runs.map((run) => run.probability)),
    };
  }

  /* The images that pass the filters, sorted; what has no number comes last. */
  function select(state) {
    const found = data.images
      .filter((image) => image.group === Number(state.group) && (!state.class || image.label === state.class))
      .map((image) => summarise(image, state))
      .filter((item) => item && (!state.winner || item.winners.some((method) => method.name === state.winner)));
    const [key, direction] = state.sort.split("-");
    if (key === "name") return found;
    const sign = direction === "low" ? 1 : -1;
    return found.sort((one, other) => {
      if (one[key] === null || other[key] === null) return (one[key] === null) - (other[key] === null);
      return sign * (one[key] - other[key]);
    });
  }

  /* The choices of each control, [value, text]; only what the group holds. */
  function choices(state) {
    const group = groupOf(state);
    const images = data.images.filter((image) => image.group === Number(state.group));
    const runs = images.flatMap((image) => image.runs);
    const among = (names, held) => Object.entries(names).filter(([name]) => held.has(name));
    const methods = group.methods.map((method) => [method.name, method.label]);
    const metric = group.metric.label;
    return {
      group: data.groups.map((one, place) => [String(place), one.name]),
      split: [["", "All"], ...among(data.splits, new Set(runs.map((run) => run.split)))],
      class: [["", "All"], ...among(data.classes, new Set(images.map((image) => image.label)))],
      seed: [["", `All, mean of ${group.runs.length}`], ...group.runs.map((name) => [name, name])],
      method: [["", "All"], ...methods],
      winner: [["", "Any"], ...methods],
      outcome: [
        ["", "All"],
        ...Object.entries(data.outcomes)
          .filter(([name]) => runs.some((run) => run.outcome === name))
          .map(([name, { label }]) => [name, label]),
      ],
      correct: [["", "All"], ["yes", "Correct"], ["no", "Wrong"]],
      sort: [
        ["name", "Class and name"],
        ["overlap-high", `${metric}, highest first`],
        ["overlap-low", `${metric}, lowest first`],
        ["disagreement-high", "Methods disagree most first"],
        ["disagreement-low", "Methods agree most first"],
        ["size-high", "Largest defect first"],
        ["size-low", "Smallest defect first"],
        ["confidence-high", "Most confident first"],
        ["confidence-low", "Least confident first"],
      ],
      scale: [["common", "Common to all"], ["own", "Each map its own"]],
    };
  }

  /* The state with every choice that this report does not offer set back to the start. */
  function valid(state) {
    const grouped = data.groups[state.group] ? state : { ...state, group: "0" };
    const offered = choices(grouped);
    const checked = Object.entries(grouped).map(([key, value]) => {
      const known = !offered[key] || offered[key].some(([choice]) => choice === value);
      return [key, known ? value : DEFAULTS[key]];
    });
    return Object.fromEntries(checked);
  }

  return { DEFAULTS, FILTERS, parse: (fragment) => valid(parse(fragment)), format, groupOf, select, choices, valid, summarise };
})();
