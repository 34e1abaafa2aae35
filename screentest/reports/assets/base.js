"use strict";
// Shared by the contact sheets and the local page: elements made without markup, boxes over a picture, tables.
const Screentest = (() => {
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
      const radius = Math.max(width, height) / ((entry.points || []).length > 100 ? 650 : 300);
      for (const [x, y] of entry.points || []) svg.append(shape("circle", { cx: x, cy: y, r: radius }));
    }
    for (const [name, corners] of Object.entries(entry.boxes || {})) {
      if (!(name === "face" && entry.face)) box(corners, name === "face" ? "face" : "other");
    }
    if (entry.ext) box(entry.ext, "ext");
    if (entry.face) box(entry.face, "face");
    return svg;
  };

  const row = ([name, value]) =>
    value === undefined || value === null ? null
      : element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, String(value)));
  const corners = (box) => box && box.join(" ");

  const measurements = (entry, word) => {
    if (!entry.checks) return null;
    const head = element("tr", {}, ...["rule", "measured", "limit"].map((name) => element("th", { scope: "col" }, word(name))));
    const body = entry.checks.map((check) =>
      element("tr", { class: check.failed ? "failed" : "" },
        element("th", { scope: "row" }, check.rule + (check.failed ? ` (${word("decided")})` : "")),
        element("td", { class: "figure" }, check.value === null ? "–" : `${Number(check.value.toPrecision(4))} ${check.unit || ""}`),
        element("td", {}, check.limit)));
    return element("table", { class: "measurements" }, element("thead", {}, head), element("tbody", {}, ...body));
  };

  const facts = (rows) =>
    element("table", { class: "measurements" }, element("tbody", {}, ...rows.map(row).filter(Boolean)));

  const translator = (words, current) => (name, values = {}) =>
    Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, () => value), words[current()][name] || name);

  const preferred = (words) =>
    (navigator.languages || []).map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => words[tag]) || "en";

  const label = (word) => {
    for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
    for (const node of document.querySelectorAll("[data-placeholder]")) {
      node.placeholder = word(node.dataset.placeholder);
      node.setAttribute("aria-label", node.placeholder);
    }
  };

  const switchTheme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };

  const options = (select, all, values) => {
    const counts = new Map();
    for (const value of values) if (value) counts.set(value, (counts.get(value) || 0) + 1);
    const chosen = select.value;
    const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    select.replaceChildren(new Option(all, ""), ...sorted.map(([name, number]) => new Option(`${name} (${number})`, name)));
    if (counts.has(chosen)) select.value = chosen;
  };

  return { element, overlay, corners, measurements, facts, translator, preferred, label, switchTheme, options };
})();
