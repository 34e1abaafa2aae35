// From a file to its verdict: a form from the upload API, the upload straight to S3, and a long poll.
const form = document.querySelector("form");
const [status, advice] = ["[role=status]", "#advice"].map((css) => document.querySelector(css));
const PATIENCE = 120_000; // milliseconds: a screening that is tried again can take minutes

async function json(response) {
  const body = await response.json().catch(() => ({})); // Lambda's own errors are no JSON
  if (!response.ok) throw new Error(body.message ?? `HTTP ${response.status}`);
  return body;
}

// Best done by your own server, which keeps the key and hands the answer on.
async function newForm(api, key, prefix, type) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ prefix, type });
  return json(await fetch(`${api}/uploads`, { method: "POST", headers, body }));
}

async function upload({ url, fields }, file) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  data.append("file", file); // last: S3 ignores what follows
  const response = await fetch(url, { method: "POST", body: data });
  if (!response.ok) throw new Error(`the upload failed: HTTP ${response.status}`);
}

async function verdict(api, { verdicts }) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    const response = await fetch(`${api}${verdicts}`); // needs no key: its token is for this upload alone
    if (response.status !== 202 && response.status < 429) return json(response);
    if (response.status >= 429) await new Promise((wake) => setTimeout(wake, 2000)); // too many at once, or trouble
  }
  throw new Error("there is no verdict yet");
}

async function show(file, { verdict, screenings }) {
  const first = screenings.find((screening) => screening.verdict === verdict);
  status.dataset.verdict = verdict;
  status.textContent = first.figures ? `${first.title}: ${first.figures}` : first.title;
  advice.textContent = first.advice;
  const [picture, canvas] = [await createImageBitmap(file).catch(() => null), document.querySelector("canvas")];
  if (!picture) return; // what the browser cannot draw has its verdict all the same
  [canvas.width, canvas.height, canvas.hidden] = [picture.width, picture.height, false];
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  pen.lineWidth = Math.max(2, picture.width / 200);
  for (const [box, colour] of [[first.ext_bbox, "#fff"], [first.face_bbox, "#2c2"]]) {
    if (box) [pen.strokeStyle] = [colour], pen.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
  }
}

form.picture.addEventListener("change", async () => {
  const [api, file] = [form.api.value.replace(/\/+$/, ""), form.picture.files[0]];
  [status.textContent, status.dataset.verdict, advice.textContent] = ["Uploading …", "", ""];
  const made = await newForm(api, form.key.value, form.prefix.value, file.type);
  await upload(made, file);
  status.textContent = "Screening …";
  await show(file, await verdict(api, made));
});
addEventListener("unhandledrejection", ({ reason }) => { status.textContent = `That did not work: ${reason.message}`; });
