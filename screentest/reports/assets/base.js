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

  let hatches = 0; // each picture's pattern has a name of its own
  const draw = (svg, mark, box, unit, width) => {
    const trail = (points) => points.map((point) => point.join(",")).join(" ");
    if (mark.kind === "box") {
      box(mark.points, mark.style);
    } else if (mark.kind === "line") {
      for (const style of ["halo", mark.style]) {
        svg.append(shape("polyline", { class: style === "halo" ? "halo" : `mark ${style}`, points: trail(mark.points) }));
      }
    } else if (mark.kind === "hatch") {
      const id = `hatch-${++hatches}`;
      const pattern = shape("pattern", { id, width: unit * 1.8, height: unit * 1.8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
      pattern.append(shape("rect", { class: "hatching", width: unit * 0.7, height: unit * 1.8 }));
      svg.append(pattern, shape("polygon", { class: "covered", points: trail(mark.points), fill: `url(#${id})` }));
    } else if (mark.kind === "label") {
      const [x, y] = mark.at;
      const half = unit * 1.6 * (mark.text.length + 0.5); // a label is centred, and none may leave the picture
      const text = shape("text", { class: `tag ${mark.style}`, x: Math.min(Math.max(x, half), Math.max(half, width - half)),
        y: Math.max(y, unit * 4), "font-size": unit * 4.5 });
      text.textContent = mark.text;
      svg.append(text);
    }
  };

  const overlay = (entry, everything) => {
    const [width, height] = entry.size;
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    if (entry.ext) {
      const [x1, y1, x2, y2] = entry.ext;
      svg.append(shape("path", { class: "outside", "fill-rule": "evenodd",
        d: `M0 0H${width}V${height}H0ZM${x1} ${y1}H${x2}V${y2}H${x1}Z` }));
    }
    const box = ([x1, y1, x2, y2], kind) => {
      for (const style of ["halo", kind]) {
        svg.append(shape("rect", { class: style, x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) }));
      }
    };
    if (everything) {
      const radius = Math.max(width, height) / ((entry.points || []).length > 100 ? 650 : 300);
      for (const [x, y] of entry.points || []) svg.append(shape("circle", { cx: x, cy: y, r: radius }));
    }
    // The answer's own face box is drawn below.
    const shown = (entry.marks || []).filter((mark) => !(entry.face && mark.kind === "box" && mark.style === "face"));
    for (const mark of shown) draw(svg, mark, box, Math.max(width, height) / 100, width);
    if (entry.ext) box(entry.ext, "ext");
    if (entry.face) box(entry.face, "face");
    return svg;
  };

  const screeningName = ({ model, ratio }) => (ratio ? `${model} ${ratio}` : model);

  const row = ([name, value]) =>
    value === undefined || value === null ? null
      : element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, String(value)));
  const corners = (box) => box && box.join(" ");

  // Figures in words, as screentest.screening.reasons.deciding has them; `words` are those of one language.
  const SHARES = new Set(["", "of the shorter side", "of the torso"]);
  const bounds = (check) => (check.limit.match(/-?[\d.]+/g) || []).map(Number);
  const isShare = (check) => SHARES.has(check.unit || "") && bounds(check).every((bound) => Math.abs(bound) < 1);
  const usual = (value) => (Math.abs(value) >= 10 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 2);
  const figure = (value, limits, digits = usual(value)) => {
    const shown = () => Number(value.toFixed(digits));
    while (digits < 4 && limits.some((limit) => Math.sign(value - limit) !== Math.sign(shown() - limit))) digits += 1;
    return shown().toLocaleString("en-US", { maximumFractionDigits: 4 });
  };
  const withUnit = (text, unit, words) => {
    const form = (text === "1" && words.one[unit]) || words.units[unit];
    return form ? form.replace("{}", text) : `${text} ${unit}`.trim();
  };
  const percent = (share) => Number((100 * share).toPrecision(12)); // 6.8 of 0.068, and not 6.800000000000001
  const measured = (check, words) =>
    check.value === null ? "–"
      : withUnit(isShare(check) ? `${figure(percent(check.value), bounds(check).map(percent), 0)} %` : figure(check.value, bounds(check)),
          check.unit || "", words);
  const limitOf = (check, words) => {
    const side = ["at most", "at least"].find((name) => check.limit.startsWith(name));
    const [low, high] = bounds(check);
    if (!side) return high === undefined ? check.limit : words.limits.to.replace("{low}", low).replace("{high}", high);
    const sign = check.unit === "degrees" ? "°" : (check.unit || "").startsWith("%") ? " %" : "";
    const said = isShare(check) ? `${Number((100 * low).toPrecision(3))} %` : `${low}${sign}`;
    return words.limits[side].replace("{limit}", said);
  };
  const deciding = (checks, words) => {
    const check = (checks || []).find((one) => one.failed);
    if (!check) return null;
    const form = words.rules[check.rule] ? words.rules[check.rule][1] : `${check.rule}: {value}, {limit}`;
    const text = form.replace("{value}", measured(check, words)).replace("{limit}", limitOf(check, words));
    return text[0].toUpperCase() + text.slice(1);
  };

  // A bar from the least to the most that can be expected, with the limit marked.
  const gauge = (check) => {
    const limits = bounds(check);
    const limit = limits.length > 1 && check.value > limits[1] ? limits[1] : limits[0];
    if (check.value === null || limit === undefined) return null;
    const low = Math.min(0, check.value, limit * 1.5);
    const high = Math.max(check.value, limit > 0 ? limit * 2 : 0.5);
    const at = (value) => (100 * (value - low)) / (high - low || 1);
    const svg = shape("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "gauge", "aria-hidden": "true" });
    svg.append(shape("rect", { class: "trough", width: 100, height: 8 }),
      shape("rect", { class: "level", width: Math.max(0.8, at(check.value)), height: 8 }),
      shape("rect", { class: "limit", x: at(limit) - 0.6, width: 1.2, height: 8 }));
    return svg;
  };
  const NEAR = 0.15; // of the limit: what nearly failed
  const isNear = (check) => {
    if (check.failed || check.value === null || check.unit === "persons") return false;
    return bounds(check).some((bound) => Math.abs(check.value - bound) <= NEAR * Math.abs(bound));
  };

  const measurements = (entry, word) => {
    if (!entry.checks || !entry.checks.length) return null;
    const words = word();
    const line = (check) => element("li", { class: check.failed ? "check failed" : isNear(check) ? "check near" : "check" },
      element("span", { class: "rule" }, (words.rules[check.rule] || [check.rule])[0], check.failed ? ` (${word("decided")})` : isNear(check) ? ` (${word("near")})` : ""),
      element("span", { class: "figure" }, `${measured(check, words)} · ${limitOf(check, words)}`),
      gauge(check));
    const first = entry.checks.filter((check) => check.failed || isNear(check)).sort((a, b) => b.failed - a.failed);
    const rest = entry.checks.filter((check) => !first.includes(check));
    const count = rest.filter((check) => check.value !== null).length; // what was not measured is not met either
    return element("div", { class: "checks" },
      first.length ? element("ul", {}, ...first.map(line)) : null,
      rest.length ? element("details", {}, element("summary", {}, word(first.length || entry.verdict !== "pass" ? "met" : "all-met", { count })), element("ul", {}, ...rest.map(line))) : null);
  };
  const facts = (rows) =>
    element("table", { class: "measurements" }, element("tbody", {}, ...rows.map(row).filter(Boolean)));

  // Without a name: all words of the language, those of rules and units included.
  const translator = (words, current) => (name, values = {}) => name === undefined ? words[current()] :
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

  return { element, shape, overlay, corners, screeningName, measurements, deciding, facts, translator, preferred, label, switchTheme, options };
})();
