"use strict";
(() => {
  const PAGE = 60; // cards added at a time
  const byId = (id) => document.getElementById(id);
  const page = JSON.parse(byId("page").textContent);
  const entries = [...document.querySelectorAll("script.entries")].flatMap((block) => JSON.parse(block.textContent));
  const blocks = [...document.querySelectorAll("script.thumbnails")];
  const perBlock = blocks.length > 1 ? JSON.parse(document.querySelector("script.entries").textContent).length : Infinity;
  const decoded = new Map();

  const thumbnail = (index) => {
    const block = perBlock === Infinity ? 0 : Math.floor(index / perBlock);
    if (!decoded.has(block)) {
      decoded.set(block, blocks[block].textContent.split("\n"));
      blocks[block].remove();
    }
    return decoded.get(block)[perBlock === Infinity ? index : index % perBlock];
  };

  const preferred = () => (navigator.languages || []).map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => page.words[tag]);
  let lang = page.lang || preferred() || "en";
  const word = (name, values = {}) =>
    Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, () => value), page.words[lang][name]);

  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value;
      else if (value !== undefined && value !== null) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  const shape = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  const overlay = (entry, everything) => {
    const [width, height] = entry.size;
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const box = ([x1, y1, x2, y2], kind) => {
      for (const style of ["halo", kind]) {
        svg.append(shape("rect", { class: style, x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) }));
      }
    };
    if (everything) {
      const radius = Math.max(width, height) / 400;
      for (const [x, y] of entry.points || []) svg.append(shape("circle", { cx: x, cy: y, r: radius }));
    }
    for (const [name, corners] of Object.entries(entry.boxes || {})) {
      if (!(name === "face" && entry.face)) box(corners, name === "face" ? "face" : "other");
    }
    if (entry.ext) box(entry.ext, "ext");
    if (entry.face) box(entry.face, "face");
    return svg;
  };

  const picture = (tag, entry, everything) => {
    const frame = element(tag, { class: "picture" });
    if (entry.size) {
      const image = element("img", { alt: "", decoding: "async" });
      image.src = "data:image/webp;base64," + thumbnail(entry.index);
      frame.append(image, overlay(entry, everything));
    } else {
      frame.append(element("em", {}, word(entry.absent)));
    }
    return frame;
  };

  const verdict = (entry) => element("span", { class: `verdict ${entry.verdict}` }, word(entry.verdict));
  const facts = (entry) =>
    [entry.model, entry.ratio, entry.body && word(entry.body), entry.ms !== undefined && `${entry.ms} ms`].filter(Boolean).join(" · ");
  const expectation = (entry) =>
    entry.expected === undefined
      ? null
      : element("p", { class: entry.asExpected ? "expected" : "expected no" },
          entry.asExpected ? word("as-expected") : word("not-expected", { expected: entry.expected }),
          entry.note ? `: ${entry.note}` : "");

  const card = (entry) => {
    const [title, advice] = page.reasons[lang][entry.reason];
    const frame = picture("button", entry, false);
    frame.type = "button";
    frame.setAttribute("aria-label", word("open", { name: entry.name }));
    frame.addEventListener("click", () => show(entry));
    return element("li", { class: "card", "data-index": entry.index }, frame,
      element("div", { class: "text" },
        element("div", { class: "top" }, verdict(entry), element("span", { class: "facts" }, facts(entry))),
        element("h2", {}, title),
        entry.verdict === "pass" ? null : element("p", { class: "advice" }, advice),
        expectation(entry),
        entry.code ? element("code", { class: "code" }, entry.code) : null,
        element("p", { class: "name mono" }, entry.name)));
  };

  const row = (name, value) =>
    value === undefined || value === null ? null
      : element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, String(value)));
  const corners = (box) => box && box.join(" ");

  const measurements = (entry) => {
    if (!entry.checks) return null;
    const head = element("tr", {}, ...["rule", "measured", "limit"].map((name) => element("th", { scope: "col" }, word(name))));
    const body = entry.checks.map((check) =>
      element("tr", { class: check.failed ? "failed" : "" },
        element("th", { scope: "row" }, check.rule + (check.failed ? ` (${word("decided")})` : "")),
        element("td", { class: "figure" }, check.value === null ? "–" : `${Number(check.value.toPrecision(4))} ${check.unit || ""}`),
        element("td", {}, check.limit)));
    return element("table", { class: "measurements" }, element("thead", {}, head), element("tbody", {}, ...body));
  };

  let shown = [];
  let drawn = 0;
  let current = null;
  const dialog = byId("detail");

  const show = (entry) => {
    current = entry;
    const [title, advice] = page.reasons[lang][entry.reason];
    byId("detail-body").replaceChildren(picture("div", entry, true),
      element("div", { class: "text" },
        element("div", { class: "top" }, verdict(entry), " ", element("span", { class: "facts" }, facts(entry))),
        element("h2", { id: "detail-title" }, title),
        element("p", {}, advice),
        expectation(entry),
        element("table", { class: "measurements" }, element("tbody", {},
          ...[row(word("code"), entry.code), row(word("message"), entry.message), row(word("face"), corners(entry.face)),
            row(word("ext"), corners(entry.ext)), row(word("size"), entry.size && entry.size.join(" × ")),
            row(word("screened"), entry.at), row(word("source"), entry.source || entry.name)].filter(Boolean))),
        measurements(entry)));
    const place = shown.indexOf(entry);
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place < 0 || place >= shown.length - 1;
    if (!dialog.open) dialog.showModal();
  };
  const step = (by) => {
    const entry = shown[shown.indexOf(current) + by];
    if (entry) show(entry);
  };
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const form = byId("filters");
  const draw = () => {
    const until = Math.min(shown.length, drawn + PAGE);
    byId("cards").append(...shown.slice(drawn, until).map(card));
    drawn = until;
    byId("more").hidden = drawn >= shown.length;
  };
  const apply = () => {
    const data = new FormData(form);
    const verdicts = new Set(data.getAll("verdict"));
    const text = data.get("text").trim().toLowerCase();
    shown = entries.filter((entry) =>
      verdicts.has(entry.verdict) &&
      (!data.get("model") || entry.group === data.get("model")) &&
      (!data.get("code") || entry.code === data.get("code")) &&
      (!data.get("surprises") || entry.asExpected === false) &&
      (!text || entry.name.toLowerCase().includes(text)));
    document.body.classList.toggle("no-boxes", !data.get("boxes"));
    byId("status").textContent = shown.length ? word("status", { shown: shown.length, all: entries.length }) : word("none");
    byId("cards").replaceChildren();
    drawn = 0;
    draw();
  };

  const count = (key) => {
    const counts = new Map();
    for (const entry of entries) if (entry[key]) counts.set(entry[key], (counts.get(entry[key]) || 0) + 1);
    return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  };
  const options = (select, all, counts) => {
    const chosen = select.value;
    select.replaceChildren(new Option(all, ""), ...counts.map(([name, number]) => new Option(`${name} (${number})`, name)));
    select.value = chosen;
  };
  const speak = () => {
    document.documentElement.lang = lang === "zh" ? "zh-Hans" : lang;
    byId("language").value = lang;
    for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
    for (const node of document.querySelectorAll("[data-placeholder]")) {
      node.placeholder = word(node.dataset.placeholder);
      node.setAttribute("aria-label", node.placeholder);
    }
    const verdicts = new Map(count("verdict"));
    for (const box of form.elements.verdict) box.nextElementSibling.textContent = `${word(box.value)} ${verdicts.get(box.value) || 0}`;
    options(form.elements.model, word("all-models"), count("group"));
    options(form.elements.code, word("all-codes"), count("code"));
    apply();
  };

  entries.forEach((entry, index) => {
    entry.index = index;
    entry.group = entry.ratio ? `${entry.model} ${entry.ratio}` : entry.model;
  });
  byId("surprises").hidden = !entries.some((entry) => entry.expected !== undefined);
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("language").addEventListener("change", (event) => { lang = event.target.value; speak(); });
  byId("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  byId("more").addEventListener("click", () => {
    const first = drawn;
    draw();
    byId("cards").children[first]?.querySelector("button").focus({ preventScroll: true });
  });
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && drawn < shown.length) draw(); },
    { rootMargin: "800px" }).observe(byId("more"));
  speak();
})();
