(async () => {
  const { element, overlay, corners, screeningName, deciding, measurements, facts, translator, preferred, label, switchTheme, options } = Screentest;
  const POLL = 700; // milliseconds between looks at a screening that is on its way
  const TIMEOUT = 30000; // milliseconds for an answer; the first measurement loads the networks
  const LIST = 2500; // milliseconds between looks at the list
  const byId = (id) => document.getElementById(id);

  const problem = (text) => {
    byId("problem").hidden = !text;
    byId("problem").textContent = text || "";
  };
  let settings;
  let lang = "en";
  let word = (name) => name;
  const ask = async (path, values = {}, init = {}) => {
    const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(`${path}?${query}`, { signal, ...init }).catch(() => { throw new Error(word("lost")); });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.error), { status: response.status });
    return body;
  };
  const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const address = (item, side) => "/api/picture?" + new URLSearchParams({ key: item.key, side, ...(item.version ? { version: item.version } : {}) });

  settings = await ask("/api/settings");
  lang = sessionStorage.getItem("lang") || preferred(settings.words);
  const limit = settings.maxUpload / 1e6;
  word = translator(settings.words, () => lang);

  // --- what to screen for

  const choiceName = (choice) => choice.screenings.map((screening) => word(screeningName(screening))).join(" + ");
  const choiceHint = (choice) => {
    const hints = choice.screenings.map((screening) => settings.words[lang][`${screeningName(screening)} hint`]).filter(Boolean);
    return hints.length ? hints.join(" + ") : choice.prefix;
  };
  const chosen = () => Number(new FormData(byId("upload")).get("choice") || 0);
  const drawChoices = () => {
    const kept = chosen();
    for (const old of byId("choices").querySelectorAll("label")) old.remove();
    settings.choices.forEach((choice, index) => {
      const input = element("input", { type: "radio", name: "choice", value: index });
      input.checked = index === kept;
      byId("choices").append(element("label", { class: "choice" }, input,
        element("span", {}, element("b", {}, choiceName(choice)), element("small", {}, choiceHint(choice)))));
    });
    hint();
  };
  const hint = () => {
    byId("hint").textContent = word("drop-hint", { limit: Math.min(limit, settings.choices[chosen()]?.megabytes ?? limit) });
  };
  byId("choices").addEventListener("change", hint);

  // --- the way of one upload

  let took; // seconds from the upload to the verdict that is shown; not known of earlier ones
  let journey = 0; // number of the upload that the result shows
  let last = null; // the file that was uploaded last, to screen it again
  let current = null; // the screenings that the result shows
  let explained = null;
  const STEPS = ["uploaded", "queued", "screening", "screened"];
  const reach = (step) => {
    byId("journey").hidden = step === null;
    const at = STEPS.indexOf(step);
    for (const node of byId("journey").children) {
      const place = STEPS.indexOf(node.dataset.step);
      node.className = place < at || (place === at && step === "screened") ? "done" : place === at ? "now" : "";
      if (place === at) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    }
  };
  const speakOut = (text) => { byId("spoken").textContent = text; };

  const post = (ticket, file, progress) =>
    new Promise((done, fail) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(ticket.fields)) form.append(name, value);
      form.append("file", file);
      const request = new XMLHttpRequest();
      request.open("POST", ticket.url);
      request.upload.addEventListener("progress", (event) => progress(Math.round((100 * event.loaded) / event.total)));
      request.addEventListener("load", () => {
        if (request.status < 300) return done(request.getResponseHeader("x-amz-version-id"));
        const answer = new DOMParser().parseFromString(request.responseText, "application/xml");
        return fail(new Error(answer.querySelector("Message")?.textContent || `HTTP ${request.status}`));
      });
      request.addEventListener("error", () => fail(new Error(word("lost"))));
      request.send(form);
    });

  const start = async (file) => {
    problem();
    if (file.size > settings.maxUpload) {
      problem(word("too-large", { limit }));
      return null;
    }
    const mine = ++journey;
    last = file;
    current = null;
    markCurrent();
    const began = performance.now();
    const local = URL.createObjectURL(file);
    const status = element("p", { class: "wait" });
    const frame = element("div", { class: "picture small" });
    const image = element("img", { alt: "" });
    image.addEventListener("error", () => image.remove());
    image.src = local;
    frame.append(image);
    byId("shown").replaceChildren(frame, status);
    if (innerWidth < 960) byId("result").scrollIntoView({ block: "start" });
    const say = (text) => { status.textContent = text; };
    reach("uploaded");
    try {
      const choice = settings.choices[chosen()];
      const ticket = await ask("/api/uploads", {}, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name: file.name, type: file.type, choice: chosen() }),
      });
      const version = await post(ticket, file, (percent) => mine === journey && say(word("uploading", { percent })));
      if (mine === journey) {
        reach("queued");
        say(word("waiting"));
        speakOut(word("step-queued"));
      }
      for (;;) {
        const { screenings } = await ask("/api/screenings", { key: ticket.key, version });
        const decided = screenings.filter((item) => item.verdict && !item.leased);
        if (decided.length >= choice.screenings.length) {
          if (mine === journey) {
            reach("screened");
            show(decided, (performance.now() - began) / 1000);
          }
          refresh();
          return decided[0];
        }
        if (screenings.length && mine === journey) {
          reach("screening");
          if (screenings.some((item) => item.attempts > 1)) say(word("retry"));
        }
        await sleep(POLL);
      }
    } catch (error) {
      if (mine === journey) {
        reach(null);
        byId("shown").replaceChildren(element("p", { class: "nothing" }, word("nothing")));
      }
      problem(word("failed-upload", { why: error.message }));
      return null;
    } finally {
      URL.revokeObjectURL(local);
    }
  };

  // Many files go one after the other; each has its line, and opens when it is decided.
  const waiting = [];
  let working = false;
  const hand = async (files) => {
    const lines = files.map((file) => ({ file, row: element("li", {}, element("span", { class: "name" }, file.name), element("span", { class: "state faint" }, "…")) }));
    const many = files.length > 1 || working;
    waiting.push(...lines);
    if (many) byId("tray").append(...waiting.map((line) => line.row).filter((row) => !row.isConnected)); // with the one on its way
    tally();
    if (working) return;
    working = true;
    while (waiting.length) {
      const { file, row } = waiting[0];
      row.querySelector(".state").textContent = word("step-screening");
      const item = await start(file);
      waiting.shift();
      row.querySelector(".state").replaceWith(chip(item || { verdict: "error" }));
      if (item) {
        const button = element("button", { type: "button", class: "name", "data-id": identity(item) }, file.name);
        button.addEventListener("click", () => look(item));
        row.querySelector(".name").replaceWith(button);
        markCurrent();
      }
      tally();
    }
    working = false;
  };
  const tally = () => {
    const all = byId("tray").children.length;
    byId("tally").textContent = all ? word("tally", { done: all - waiting.filter((line) => line.row.isConnected).length, all }) : "";
  };

  // --- the result

  const chip = (item) => element("span", { class: `verdict ${item.verdict}`, "data-verdict": item.verdict }, word(item.verdict));
  const nameOf = (item) => word(screeningName(item));
  // What decided: as recorded, else as measured here where that is what the verdict says.
  const decidedBy = (item, checks) =>
    item.measured ? deciding([{ ...item.measured, failed: true }], word())
      : deciding((checks || []).filter((check) => check.failed && check.code === item.code), word());
  const announce = (item) => speakOut([word(item.verdict), decidedBy(item), ...item.words[lang].slice(0, item.verdict === "pass" ? 1 : 2)]
    .filter(Boolean).map((part) => part.replace(/[.。]$/, "")).join(lang === "en" ? ". " : "。") + (lang === "en" ? "." : "。"));
  const markCurrent = () => {
    const shown = (current || []).map(identity);
    for (const button of document.querySelectorAll("#tray [data-id], #list [data-id]")) {
      button.classList.toggle("current", shown.includes(button.dataset.id));
      if (shown.includes(button.dataset.id)) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  };

  const show = (items, seconds) => {
    current = items;
    explained = null;
    took = seconds;
    draw();
    const item = items[0];
    const place = { key: item.key, model: item.model, ...(item.version && { version: item.version }), ...(item.ratio && { ratio: item.ratio }) };
    history.replaceState(null, "", `#${new URLSearchParams(place)}`);
    announce(item);
    markCurrent();
    explain(item);
  };

  // An item that was decided before: of the list, of the tray, or named by the address.
  const look = (item) => {
    journey += 1;
    reach(null);
    show([item]);
    byId("result").scrollIntoView({ block: innerWidth < 960 ? "start" : "nearest" });
  };

  const explain = async (item) => {
    const found = await ask("/api/explanation", { key: item.key, version: item.version, model: item.model, ratio: item.ratio })
      .catch((error) => ({ missing: error.status === 404 }));
    if (current && current[0] === item) {
      explained = found;
      draw();
    }
  };

  const copying = (name, text) => {
    const button = element("button", { type: "button" }, word(name));
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text());
      button.textContent = word("copied");
      setTimeout(() => { button.textContent = word(name); }, 1500);
    });
    return button;
  };
  const curl = (item) => {
    const query = new URLSearchParams({ key: item.key, ...(item.version && { version: item.version }) });
    return `curl '${location.origin}/api/screenings?${String(query).replaceAll("'", "%27")}'`;
  };

  const draw = () => {
    const item = current[0];
    const evidence = explained || {};
    const points = Object.values(evidence.landmarks || {}).flat();
    const entry = { ...item, size: evidence.size, marks: evidence.marks, points: item.verdict === "pass" ? points : [], checks: evidence.checks };
    const frame = element("div", { class: "picture" });
    if (evidence.missing) {
      frame.append(element("p", { class: "nothing" }, word("gone")));
    } else if (explained && !evidence.size) {
      frame.append(element("p", { class: "nothing" }, word("unreadable")));
    } else {
      const image = element("img", { alt: word("picture-of") });
      image.src = address(item, "large");
      frame.append(image);
      if (entry.size) frame.append(overlay(entry, true));
    }
    const boxes = element("input", { type: "checkbox" });
    boxes.checked = !document.body.classList.contains("no-boxes");
    boxes.addEventListener("change", () => document.body.classList.toggle("no-boxes", !boxes.checked));
    const parts = current.map((one) => element("div", {},
      element("div", { class: "line" }, chip(one),
        element("span", { class: "faint" }, [nameOf(one), one.model, one.ratio, one.body && word(one.body), one.ms !== undefined && `${Math.round(one.ms)} ms`]
          .filter(Boolean).join(" · "))),
      ...(decidedBy(one, one === item ? evidence.checks : [])
        ? [element("h3", {}, decidedBy(one, one === item ? evidence.checks : [])), element("p", { class: "reason" }, one.words[lang][0])]
        : [element("h3", {}, one.words[lang][0])]),
      element("p", {}, one.words[lang][1])));
    const again = last && took !== undefined
      ? element("div", { class: "again" }, element("span", { class: "faint" }, word("again")),
          ...settings.choices.map((choice, index) => {
            const button = element("button", { type: "button" }, choiceName(choice));
            button.addEventListener("click", () => {
              byId("choices").querySelector(`input[value="${index}"]`).checked = true;
              hand([last]);
            });
            return button;
          }))
      : null;
    const open = byId("shown").querySelector("details.facts")?.open ?? false;
    const details = element("details", { class: "facts" },
      element("summary", {}, word("details")),
      facts([[word("code"), item.code], [word("message"), item.message], [word("face"), corners(item.face)],
        [word("ext"), corners(item.ext)], [word("size"), evidence.size && evidence.size.join(" × ")], [word("detector"), item.detector],
        [word("tags"), item.tags], [word("attempts"), item.attempts], [word("screened"), item.at], [word("source"), item.key]]));
    details.open = open;
    byId("shown").replaceChildren(frame,
      element("div", { class: "why" }, ...parts,
        explained === null ? element("p", { class: "faint" }, word("measuring")) : measurements(entry, word),
        took === undefined ? null : element("p", { class: "faint" }, word("took", { seconds: took.toFixed(1) })),
        element("label", { class: "faint" }, boxes, " ", word("landmarks")), again,
        element("div", { class: "again" }, copying("copy-link", () => location.href),
          copying("copy-json", () => JSON.stringify(item, null, 2)), copying("copy-curl", () => curl(item))), details));
  };

  // --- ways to hand over a picture

  const drop = byId("drop");
  byId("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    hand(files);
  });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    hand([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    hand([...event.clipboardData.files]);
  });
  byId("upload").addEventListener("submit", (event) => event.preventDefault());

  // --- the live list

  let listed = [];
  let drawn = "";
  const filters = byId("filters");
  const identity = (item) => [item.key, item.version, screeningName(item)].join("\n");

  const row = (item) => {
    const frame = element("span", { class: "picture" });
    const image = element("img", { alt: "", loading: "lazy" });
    image.addEventListener("error", () => image.remove());
    image.src = address(item, "small");
    frame.append(image);
    const button = element("button", { type: "button", class: "entry", "data-id": identity(item) }, frame,
      element("span", { class: "words" },
        element("strong", {}, decidedBy(item) || item.words[lang][0]),
        element("span", { class: "facts" }, [decidedBy(item) && item.words[lang][0], screeningName(item), item.code, item.ms !== undefined && `${Math.round(item.ms)} ms`].filter(Boolean).join(" · ")),
        element("span", { class: "name mono" }, element("bdi", { dir: "ltr" }, item.key))),
      chip(item));
    button.addEventListener("click", () => look(item));
    return element("li", {}, button);
  };

  const list = () => {
    const data = new FormData(filters);
    const verdicts = new Set(data.getAll("verdict"));
    const text = data.get("text").trim().toLowerCase();
    const shown = listed.filter((item) =>
      verdicts.has(item.verdict) &&
      (!data.get("model") || screeningName(item) === data.get("model")) &&
      (!data.get("code") || item.code === data.get("code")) &&
      (!text || item.key.toLowerCase().includes(text)));
    const now = JSON.stringify([lang, shown.map((item) => [identity(item), item.verdict, item.code, item.at])]);
    if (now !== drawn) {
      const focused = document.activeElement?.dataset?.id;
      byId("list").replaceChildren(...shown.map(row));
      if (focused) [...byId("list").querySelectorAll("button")].find((node) => node.dataset.id === focused)?.focus();
      drawn = now;
      markCurrent();
    }
    const count = listed.length ? word("shown", { shown: shown.length, all: listed.length }) : word("empty");
    if (byId("count").textContent !== count) byId("count").textContent = count;
  };
  const counts = () => {
    for (const box of filters.elements.verdict) {
      box.nextElementSibling.textContent = `${word(box.value)} ${listed.filter((item) => item.verdict === box.value).length}`;
    }
    options(filters.elements.model, word("all-models"), listed.map(screeningName));
    options(filters.elements.code, word("all-codes"), listed.map((item) => item.code));
  };
  const refresh = async () => {
    const { verdicts } = await ask("/api/verdicts");
    const changed = JSON.stringify(verdicts) !== JSON.stringify(listed);
    listed = verdicts;
    if (changed) counts();
    list();
  };
  for (const kind of ["input", "change"]) filters.addEventListener(kind, list);
  filters.addEventListener("submit", (event) => event.preventDefault());

  // --- language and light

  const speak = () => {
    document.documentElement.lang = lang === "zh" ? "zh-Hans" : lang;
    document.title = word("title");
    byId("language").value = lang;
    label(word);
    drawChoices();
    counts();
    list();
    tally();
    for (const chip of byId("tray").querySelectorAll("[data-verdict]")) chip.textContent = word(chip.dataset.verdict);
    speakOut("");
    if (current) {
      draw();
      announce(current[0]);
    }
  };
  byId("language").addEventListener("change", (event) => {
    lang = event.target.value;
    sessionStorage.setItem("lang", lang);
    speak();
  });
  byId("theme").addEventListener("click", switchTheme);
  speak();

  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(event.target.tagName)) {
      event.preventDefault();
      filters.elements.text.focus();
    }
  });
  if (location.hash.length > 1) {
    const named = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    const { screenings } = await ask("/api/screenings", { key: named.key, version: named.version }).catch(() => ({ screenings: [] }));
    const item = screenings.find((one) => one.verdict && one.model === named.model && (one.ratio || "") === (named.ratio || ""));
    if (item) look(item);
    else problem(word("gone-address"));
  }

  let lost = false;
  for (;;) {
    if (!document.hidden) {
      await refresh().then(
        () => { if (lost) problem(); lost = false; },
        (error) => { problem(error.message); lost = true; });
    }
    await sleep(LIST);
  }
})();
