// SPDX-License-Identifier: Apache-2.0
// Small drawings over time: states as areas, one robot's activities as a lane, one quantity as a line.

function colour(k) { return getComputedStyle(document.documentElement).getPropertyValue('--c' + k).trim(); }
function inkOf(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function prepared(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2), w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = Math.max(1, w * ratio); canvas.height = Math.max(1, h * ratio);
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.font = '12px system-ui, sans-serif';
  return { pen, w, h };
}

function nowLine(pen, x, h) { pen.strokeStyle = inkOf('--ink'); pen.lineWidth = 1.5; pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, h); pen.stroke(); }

// Robots in each state as stacked areas; bands (light, contact) as stripes under them.
function drawArea(canvas, data, now) {
  const { pen, w, h } = prepared(canvas), times = data.times.data, end = times[times.length - 1] || 1;
  const n = data.states.length, robots = data.names.length, room = 7 * data.bands.length, high = h - room - 2;
  const counts = data.counts.data, columns = Math.min(times.length, Math.max(2, Math.floor(w)));
  const base = new Float32Array(columns);
  for (let s = 0; s < n; s++) {
    const top = base.slice();
    let any = false;
    for (let c = 0; c < columns; c++) {
      const f = Math.round(c / (columns - 1 || 1) * (times.length - 1)), k = counts[f * n + s];
      top[c] += k / robots; any ||= k > 0;
    }
    if (any) {
      pen.fillStyle = colour(data.states[s].colour);
      pen.beginPath();
      const x = (c) => times[Math.round(c / (columns - 1 || 1) * (times.length - 1))] / end * w;
      for (let c = 0; c < columns; c++) pen.lineTo(x(c), high * (1 - base[c]));
      for (let c = columns - 1; c >= 0; c--) pen.lineTo(x(c), high * (1 - top[c]));
      pen.fill();
    }
    base.set(top);
  }
  data.bands.forEach((band, k) => {
    pen.fillStyle = colour(k === 0 ? 8 : 1);
    for (const [a, b] of band.spans) pen.fillRect(a / end * w, h - room + 7 * k, Math.max(1, (b - a) / end * w), 5);
  });
  nowLine(pen, now / end * w, h);
}

function drawLane(canvas, data, spans, now) {
  const { pen, w, h } = prepared(canvas), end = data.times.data.at(-1) || 1;
  for (const [state, a, b] of spans) {
    pen.fillStyle = colour(data.states[state].colour);
    pen.fillRect(a / end * w, 2, Math.max(1, (b - a) / end * w), h - 4);
  }
  nowLine(pen, now / end * w, h);
}

function drawLine(canvas, data, values, robot, now) {
  const { pen, w, h } = prepared(canvas), times = data.times.data, robots = data.names.length, end = times.at(-1) || 1;
  let low = Infinity, high = -Infinity;
  for (let f = 0; f < times.length; f++) {
    const v = values[f * robots + robot];
    if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
  }
  if (low > high) return;
  if (high - low < 1e-12) { high += 0.5; low -= 0.5; }
  const y = (v) => 14 + (h - 20) * (1 - (v - low) / (high - low));
  pen.fillStyle = inkOf('--muted');
  pen.fillText(short(high), 2, 11); pen.fillText(short(low), 2, h - 1);
  pen.strokeStyle = inkOf('--accent'); pen.lineWidth = 1.6;
  pen.beginPath();
  let isDown = false;
  for (let f = 0; f < times.length; f++) {
    const v = values[f * robots + robot];
    if (!Number.isFinite(v)) { isDown = false; continue; }
    if (isDown) pen.lineTo(times[f] / end * w, y(v)); else pen.moveTo(times[f] / end * w, y(v));
    isDown = true;
  }
  pen.stroke();
  nowLine(pen, now / end * w, h);
}

function short(v) {
  if (!Number.isFinite(v)) return 'not known';
  const a = Math.abs(v);
  return a !== 0 && (a < 1e-3 || a >= 1e5) ? v.toExponential(2) : String(Number(v.toPrecision(4)));
}

function clock(seconds, end) {
  if (end > 2 * 86400) return `${(seconds / 86400).toFixed(2)} d of ${(end / 86400).toFixed(0)} d`;
  if (end > 7200) return `${(seconds / 3600).toFixed(2)} h of ${(end / 3600).toFixed(1)} h`;
  return `${seconds.toFixed(1)} s of ${end.toFixed(0)} s`;
}
