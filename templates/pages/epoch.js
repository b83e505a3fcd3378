// Draws an epoch's signals as clinicians read them: 30 s a page, negative up, a band a channel,
// lines each second and heavier ones each five. The server filters; this only draws.

const canvas = document.getElementById("traces");
const sheet = document.getElementById("sheet");
const SECONDS = 30;
const PIXELS_PER_MM = 96 / 25.4; // CSS defines both
const GUIDE_UV = 75;

let channels = [];
let loading = new AbortController();

const choice = (id) => document.getElementById(id);

// How the page was last looked at goes with the reader from epoch to epoch.
const remembered = ["gain", "chin-gain", "filters"];

function recall() {
  for (const id of remembered) {
    const value = sessionStorage.getItem(id);
    const select = choice(id);
    if (value !== null && [...select.options].some((option) => option.value === value)) {
      select.value = value;
    }
  }
  for (const id of ["show-marks", "show-guides"]) {
    if (sessionStorage.getItem(id) === "false") choice(id).checked = false;
  }
}

// connector/desk/waveforms.py describes the body.
function decode(buffer) {
  const view = new DataView(buffer);
  const found = [];
  let at = 4;
  for (let left = view.getUint32(0, true); left > 0; left -= 1) {
    const rate = view.getFloat32(at, true);
    const count = view.getUint32(at + 4, true);
    found.push({ rate, samples: new Float32Array(buffer, at + 8, count) });
    at += 8 + 4 * count;
  }
  return found;
}

// Only what was chosen last is drawn: a choice made while signals load ends their loading, and
// signals that cannot be had are not left standing under another filter's name.
async function load() {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  sheet.ariaBusy = "true";
  let found = null;
  try {
    const wanted = `${sheet.dataset.waveform}?filters=${choice("filters").value}`;
    const answer = await fetch(wanted, { signal });
    if (answer.ok) found = decode(await answer.arrayBuffer());
  } catch (error) {
    if (error.name === "AbortError") return;
  }
  channels = found ?? [];
  document.getElementById("not-loaded").hidden = found !== null;
  draw();
  sheet.ariaBusy = "false";
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw() {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.clearRect(0, 0, width, height);
  grid(pen, width, height);
  const kinds = canvas.dataset.bands.split(" ");
  const band = height / kinds.length;
  kinds.forEach((kind, place) => {
    const middle = band * (place + 0.5);
    const gain = Number(choice(kind === "chin" ? "chin-gain" : "gain").value);
    const perUv = PIXELS_PER_MM / gain;
    if (kind === "eeg" && choice("show-guides").checked) guides(pen, width, middle, perUv);
    if (!channels[place]) return;
    // A large wave may reach into its neighbours' bands; muscle would only cover them.
    const reach = kind === "chin" ? band / 2 : band;
    const y = (uv) => middle + Math.max(-reach, Math.min(reach, uv * perUv)); // negative up
    trace(pen, channels[place], width, y, colour(`--${kind}`));
  });
}

function grid(pen, width, height) {
  pen.strokeStyle = colour("--grid-five");
  pen.lineWidth = 1;
  const bands = canvas.dataset.bands.split(" ").length;
  for (let band = 1; band < bands; band += 1) {
    const y = Math.round((band / bands) * height) + 0.5;
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(width, y);
    pen.stroke();
  }
  for (let second = 1; second < SECONDS; second += 1) {
    const x = Math.round((second / SECONDS) * width) + 0.5;
    pen.strokeStyle = colour(second % 5 ? "--grid" : "--grid-five");
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, height);
    pen.stroke();
  }
}

function guides(pen, width, middle, perUv) {
  pen.strokeStyle = colour("--guide");
  pen.lineWidth = 1;
  pen.setLineDash([4, 4]);
  for (const uv of [-GUIDE_UV, GUIDE_UV]) {
    pen.beginPath();
    pen.moveTo(0, middle + uv * perUv);
    pen.lineTo(width, middle + uv * perUv);
    pen.stroke();
  }
  pen.setLineDash([]);
}

function trace(pen, { rate, samples }, width, y, stroke) {
  const step = width / (SECONDS * rate);
  pen.strokeStyle = stroke;
  pen.lineWidth = 1;
  pen.lineJoin = "round";
  pen.beginPath();
  let down = false;
  for (let i = 0; i < samples.length; i += 1) {
    const value = samples[i];
    if (Number.isNaN(value)) {
      down = false;
      continue;
    }
    if (down) pen.lineTo(i * step, y(value));
    else pen.moveTo(i * step, y(value));
    down = true;
  }
  pen.stroke();
}

// A claim and its place in the signal light up together.
function light(number, on) {
  for (const part of document.querySelectorAll(`[data-claim="${number}"]`)) {
    part.classList.toggle("lit", on);
  }
}

for (const part of document.querySelectorAll("a[data-claim], li[data-claim]")) {
  const number = part.dataset.claim;
  for (const event of ["mouseenter", "focus"]) part.addEventListener(event, () => light(number, true));
  for (const event of ["mouseleave", "blur"]) part.addEventListener(event, () => light(number, false));
}

if (canvas) {
  recall();
  document.getElementById("controls").hidden = false;
  const showMarks = () => sheet.classList.toggle("bare", !choice("show-marks").checked);
  showMarks();
  for (const id of ["gain", "chin-gain", "show-guides"]) choice(id).addEventListener("change", draw);
  choice("filters").addEventListener("change", load);
  choice("show-marks").addEventListener("change", showMarks);
  document.getElementById("controls").addEventListener("change", ({ target }) => {
    sessionStorage.setItem(target.id, target.type === "checkbox" ? target.checked : target.value);
  });
  new ResizeObserver(draw).observe(canvas);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  load();
}
