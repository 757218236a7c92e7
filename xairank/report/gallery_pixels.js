"use strict";
/* Maps and masks as numbers, and as colours on a canvas. A page that is opened from disk may not read its own files, so
   maps come as scripts: each hands its content to receive(). Rounding aside, blur and top-K are those of the package. */
var xairankGallery = (() => {
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const KEPT = 80; // maps of runs in memory
  const awaited = new Map();
  const loaded = new Map();

  /* The address of a file in the gallery's folder. */
  const address = (name) => base + name;

  /* Called by the scripts that hold maps. */
  function receive(name, content) {
    awaited.get(name)?.(content);
    awaited.delete(name);
  }

  /* The mask, predicted mask and maps of an image in a run, "<folder>/<run>". */
  function load(name) {
    if (!loaded.has(name)) {
      loaded.set(name, request(name).then(unpack));
      if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
    }
    return loaded.get(name);
  }

  function request(name) {
    return new Promise((resolve, reject) => {
      awaited.set(name, resolve);
      const script = document.createElement("script");
      script.onload = () => script.remove();
      script.onerror = () => reject(new Error(`The file ${name}.js of this report is missing.`));
      script.src = address(`${name}.js`);
      document.head.append(script);
    });
  }

  async function unpack(content) {
    if (!("DecompressionStream" in window)) throw new Error("This browser is too old to show maps; take one of 2023 or later.");
    const { height, width } = content;
    const bits = await inflate(content.mask);
    const mask = Uint8Array.from({ length: height * width }, (_, place) => (bits[place >> 3] >> (7 - (place & 7))) & 1);
    const predicted = content.predicted && (await unpackMap(content.predicted, width));
    const maps = await Promise.all(content.maps.map((map) => unpackMap(map, width)));
    return { height, width, mask, predicted, maps };
  }

  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Values by pixel; sums of differences wrap round at 256, as bytes do. */
  async function unpackMap(map, width) {
    const codes = await inflate(map.codes);
    if (map.differences) {
      for (let place = 0; place < codes.length; place++) if (place % width) codes[place] += codes[place - 1];
    }
    return Float32Array.from(codes, (code) => map.levels[code]);
  }

  /* Blurred by a Gaussian and mirrored at the border, as scipy's gaussian_filter does by default. */
  function blur(values, width, sigma) {
    const height = values.length / width;
    if (!sigma || values.every((value) => value === values[0])) return values;
    const rows = filter(values, width, height, 1, width, sigma);
    return filter(rows, height, width, width, 1, sigma);
  }

  /* Filters along lines of `length` values, `step` apart; the lines are `skip` apart. */
  function filter(values, length, lines, step, skip, sigma) {
    const radius = Math.floor(4 * sigma + 0.5);
    const weights = Array.from({ length: 2 * radius + 1 }, (_, place) => Math.exp(-((place - radius) ** 2) / (2 * sigma ** 2)));
    const sum = weights.reduce((one, other) => one + other);
    const padded = new Float64Array(length + 2 * radius);
    const result = new Float32Array(values.length);
    for (let line = 0; line < lines; line++) {
      for (let place = 0; place < padded.length; place++) {
        const mirrored = (((place - radius) % (2 * length)) + 2 * length) % (2 * length);
        padded[place] = values[line * skip + Math.min(mirrored, 2 * length - 1 - mirrored) * step];
      }
      for (let place = 0; place < length; place++) {
        let total = 0;
        for (let other = 0; other < weights.length; other++) total += weights[other] * padded[place + other];
        result[line * skip + place * step] = total / sum;
      }
    }
    return result;
  }

  /* The top k pixels: the weight of a value is 1 above the k-th value, and at it the share of the places that are left. */
  function top(values, k) {
    const sorted = values.slice().sort();
    const threshold = sorted[sorted.length - k];
    let above = 0;
    let tied = 0;
    for (const value of values) {
      above += value > threshold;
      tied += value === threshold;
    }
    const share = (k - above) / tied;
    return { weight: (value) => (value > threshold ? 1 : value === threshold ? share : 0) };
  }

  /* How many of the top k pixels lie in the mask, ties in expectation. */
  function hits(values, mask, found) {
    let total = 0;
    for (let place = 0; place < mask.length; place++) if (mask[place]) total += found.weight(values[place]);
    return total;
  }

  /* The value that is shown as a map's own brightest colour: that of the 99.5th percentile. */
  function brightest(values) {
    const sorted = values.slice().sort();
    return Math.max(sorted[Math.round(0.995 * (sorted.length - 1))] || sorted[sorted.length - 1], 0) || 1;
  }

  const colors = Uint8Array.from(xairankGalleryData.colors.match(/../g), (pair) => parseInt(pair, 16));

  /* Paints each pixel: color(place) gives [red, green, blue, opacity], of 255. */
  function paint(canvas, width, height, color) {
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    for (let place = 0; place < width * height; place++) image.data.set(color(place), 4 * place);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  const grey = (share) => [255 * share, 255 * share, 255 * share, 255];

  /* The colour of a value; `highest` and more is the brightest. Opacity rises with it, from 0 to `cover`, or is 1. */
  function color(value, highest, cover = null) {
    const share = Math.min(Math.max(value / highest, 0), 1);
    const place = 3 * Math.min(Math.floor(share * 256), 255);
    return [colors[place], colors[place + 1], colors[place + 2], cover === null ? 255 : 255 * cover * share];
  }

  /* The colours as an SVG filter, for grey pictures that a script may not read. */
  function colorFilter(id) {
    const svg = (tag, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
      return element;
    };
    const filter = svg("filter", { id, "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1 });
    const transfer = svg("feComponentTransfer", {});
    ["R", "G", "B"].forEach((channel, offset) => {
      const table = Array.from({ length: 33 }, (_, step) => colors[3 * Math.min(step * 8, 255) + offset] / 255);
      transfer.append(svg(`feFunc${channel}`, { type: "table", tableValues: table.map((value) => value.toFixed(4)).join(" ") }));
    });
    filter.append(transfer);
    const holder = svg("svg", { class: "gallery-filter", "aria-hidden": "true", focusable: "false", width: 0, height: 0 });
    holder.append(filter);
    return holder;
  }

  return { address, receive, load, blur, top, hits, brightest, paint, grey, color, colorFilter };
})();
