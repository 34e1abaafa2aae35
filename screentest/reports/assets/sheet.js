(() => {
  const { element, shape, deciding, overlay, corners, screeningName, measurements, facts, translator, preferred, label, switchTheme, options } = Screentest;
  const PAGE = 60; // cards added at a time
  const MANY = 240; // cards that a browser draws at once without effort
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

  let lang = page.lang || preferred(page.words);
  const word = translator(page.words, () => lang);

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
  const summary = (entry) =>
    [entry.model, entry.ratio, entry.body && word(entry.body), entry.ms !== undefined && `${entry.ms} ms`].filter(Boolean).join(" · ");
  const expectation = (entry) =>
    entry.expected === undefined
      ? null
      : element("p", { class: entry.asExpected ? "expected" : "expected no" },
          entry.asExpected ? word("as-expected") : word("not-expected", { expected: entry.expected }),
          entry.note ? `: ${entry.note}` : "");

  // What decided comes first, in figures, where it was measured.
  const headings = (tag, entry, title, attributes = {}) => {
    const measured = deciding(entry.checks, word());
    return measured ? [element(tag, attributes, measured), element("p", { class: "why" }, title)] : [element(tag, attributes, title)];
  };

  const card = (entry) => {
    const [title, advice] = page.reasons[lang][entry.reason];
    const frame = picture("button", entry, false);
    frame.type = "button";
    frame.setAttribute("aria-label", word("open", { name: entry.name }));
    frame.addEventListener("click", () => show(entry));
    return element("li", { class: "card", "data-index": entry.index }, frame,
      element("div", { class: "text" },
        element("div", { class: "top" }, verdict(entry), element("span", { class: "facts" }, summary(entry))),
        ...headings("h2", entry, title),
        entry.verdict === "pass" ? null : element("p", { class: "advice" }, advice),
        expectation(entry),
        entry.code ? element("code", { class: "code" }, entry.code) : null,
        element("p", { class: "name mono" }, entry.name)));
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
        element("div", { class: "top" }, verdict(entry), " ", element("span", { class: "facts" }, summary(entry))),
        ...headings("h2", entry, title, { id: "detail-title" }),
        element("p", {}, advice),
        expectation(entry),
        facts([[word("code"), entry.code], [word("message"), entry.message], [word("face"), corners(entry.face)],
          [word("ext"), corners(entry.ext)], [word("size"), entry.size && entry.size.join(" × ")],
          [word("screened"), entry.at], [word("source"), entry.source || entry.name]]),
        measurements(entry, word)));
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
    // Skipping what is out of view pays with many cards, and spoils printing and screenshots of a whole page.
    byId("cards").classList.toggle("many", drawn > MANY);
    byId("more").hidden = drawn >= shown.length;
  };
  const histogram = () => {
    const counts = new Map();
    for (const entry of entries) if (entry.code) counts.set(entry.code, (counts.get(entry.code) || 0) + 1);
    const most = Math.max(...counts.values(), 1);
    const rows = [...counts].sort(([a, one], [b, two]) => two - one || (a < b ? -1 : 1)).map(([code, number]) => {
      const svg = shape("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
      svg.append(shape("rect", { width: (100 * number) / most, height: 8 }));
      const button = element("button", { type: "button", class: form.elements.code.value === code ? "chosen" : "", "aria-pressed": form.elements.code.value === code },
        element("span", { class: "name" }, code), element("span", { class: "bar" }, svg, String(number)));
      button.addEventListener("click", () => {
        form.elements.code.value = form.elements.code.value === code ? "" : code;
        apply();
        [...byId("histogram").children].find((one) => one.textContent.startsWith(code))?.focus();
      });
      return button;
    });
    byId("histogram").setAttribute("aria-label", word("histogram"));
    byId("histogram").replaceChildren(...(most > 1 ? rows : []));
  };
  const apply = () => {
    histogram();
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

  const speak = () => {
    document.documentElement.lang = lang === "zh" ? "zh-Hans" : lang;
    byId("language").value = lang;
    label(word);
    for (const box of form.elements.verdict) {
      const number = entries.filter((entry) => entry.verdict === box.value).length;
      box.nextElementSibling.textContent = `${word(box.value)} ${number}`;
    }
    options(form.elements.model, word("all-models"), entries.map((entry) => entry.group));
    options(form.elements.code, word("all-codes"), entries.map((entry) => entry.code));
    apply();
  };

  entries.forEach((entry, index) => {
    entry.index = index;
    entry.group = screeningName(entry);
  });
  byId("surprises").hidden = !entries.some((entry) => entry.expected !== undefined);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !dialog.open && !/INPUT|SELECT/.test(event.target.tagName)) {
      event.preventDefault();
      form.elements.text.focus();
    }
  });
  // A printed sheet has all its cards.
  addEventListener("beforeprint", () => { while (drawn < shown.length) draw(); });
  form.addEventListener("input", apply);
  // Some browsers' menus send no input event. A text field's change comes as it loses the focus, to a card's button
  // perhaps, which must not be replaced under the click.
  form.addEventListener("change", (event) => { if (event.target.tagName === "SELECT") apply(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("language").addEventListener("change", (event) => { lang = event.target.value; speak(); });
  byId("theme").addEventListener("click", switchTheme);
  byId("more").addEventListener("click", () => {
    const first = drawn;
    draw();
    byId("cards").children[first]?.querySelector("button").focus({ preventScroll: true });
  });
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && drawn < shown.length) draw(); },
    { rootMargin: "800px" }).observe(byId("more"));
  speak();
})();
