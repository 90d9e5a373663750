// SPDX-License-Identifier: Apache-2.0
// The page: reads the data, keeps the time, and fills the lists. Everything drawn is said in words beside it.

const $ = (id) => document.getElementById(id);
const TYPES = { int16: Int16Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const SHOWN = 400;

async function load() {
  const data = JSON.parse($('head').textContent);
  const packed = Uint8Array.from(atob($('blob').textContent.trim()), (c) => c.charCodeAt(0));
  const bytes = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
  $('blob').textContent = '';
  const fill = (given) => {
    if (!given || typeof given !== 'object') return;
    if (typeof given.at === 'number' && given.type in TYPES) {
      given.data = new TYPES[given.type](bytes, given.at, given.shape.reduce((a, b) => a * b, 1));
      return;
    }
    for (const value of Object.values(given)) fill(value);
  };
  fill(data);
  return data;
}

function start(data) {
  const robots = data.names.length, times = data.times.data, end = times.at(-1), numStates = data.states.length;
  const view = { now: 0, frame: -1, mix: 0, isPlaying: false, speed: 1, state: -1, lost: -1, stage: -1, robot: -1, dirty: true };
  const scene = makeScene($('scene'), data);
  if (!scene) { $('failed').hidden = false; $('failed').textContent = 'This browser has no WebGL 2: the scene is not drawn. Lists and charts work.'; }
  const hasRows = Boolean(data.rows.robot);
  const spansOf = (robot) => {
    const out = [];
    if (hasRows) {
      const { robot: who, state, start_s: a, end_s: b, pit } = data.rows;
      for (let k = 0; k < who.data.length; k++) if (who.data[k] === robot) out.push([state.data[k], a.data[k], b.data[k], pit.data[k]]);
    } else for (let f = 0; f < times.length; f++) {
      const s = data.state.data[f * robots + robot], t = times[Math.min(f + 1, times.length - 1)];
      if (out.length && out.at(-1)[0] === s) out.at(-1)[2] = t; else out.push([s, times[f], t, -1]);
    }
    return out;
  };
  const stateOf = (robot) => data.state.data[view.frame * robots + robot];
  const label = (state) => data.states[state].level ? `${data.levels[data.states[state].level]}` : '';

  function button(swatch, name, level, number, share) {
    const item = document.createElement('li'), b = document.createElement('button');
    b.type = 'button';
    const box = document.createElement('span'), words = document.createElement('span'), count = document.createElement('span');
    box.className = 'swatch'; box.style.background = `var(--c${swatch})`; box.setAttribute('aria-hidden', 'true');
    words.append(name);
    if (level) { const l = document.createElement('span'); l.className = 'level'; l.textContent = level; words.append(' ', l); }
    count.className = 'number'; count.textContent = number;
    b.append(box, words, count);
    if (share !== undefined) b.style.setProperty('--share', `${100 * share}%`);
    b.setAttribute('aria-pressed', 'false');
    item.append(b);
    return { item, b, count };
  }

  // States: a button each; the first click lists the robots, the second shows one.
  const lines = data.states.map((state, s) => {
    const line = button(state.colour, state.name, label(s), '0');
    line.b.dataset.state = s;
    line.b.addEventListener('click', () => choose({ state: view.state === s ? -1 : s, lost: -1, stage: -1 }));
    $('counts').append(line.item);
    return line;
  });
  const lost = Object.entries(data.shown.lost_time_h), most = lost.length ? lost[0][1] : 1;
  $('pareto-part').hidden = !lost.length;
  const losers = lost.map(([name, hours]) => {
    const s = data.states.findIndex((state) => state.name === name);
    const line = button(data.states[s].colour, name, label(s), hours.toFixed(1), hours / most);
    line.b.addEventListener('click', () => choose({ lost: view.lost === s ? -1 : s, state: -1, stage: -1 }));
    $('pareto').append(line.item);
    return { ...line, s };
  });

  // Questions to Earth: which are at which stage now, and when their answer comes.
  const edges = ['asked', 'left', 'heard', 'decided', 'sent', 'came'].map((name) => data.questions[name] && data.questions[name].data);
  const hasQuestions = Boolean(edges[0] && edges[0].length);
  $('questions-part').hidden = !hasQuestions;
  const stages = data.stages.map((name, s) => {
    const line = button(3, name, '', '0');
    line.b.dataset.stage = s;
    line.b.addEventListener('click', () => choose({ stage: view.stage === s ? -1 : s, state: -1, lost: -1 }));
    $('questions').append(line.item);
    return line;
  });
  function asked() {
    const out = stages.map(() => []);
    if (!hasQuestions) return out;
    for (let k = 0; k < edges[0].length; k++) {
      if (edges[0][k] > view.now || edges[5][k] <= view.now) continue;
      let s = 0;
      while (s < 4 && edges[s + 1][k] <= view.now) s++;
      out[s].push(k);
    }
    return out;
  }

  function lostBy(s) {
    const sums = new Map(), add = (r, t) => sums.set(r, (sums.get(r) || 0) + t);
    if (hasRows) {
      const { robot, state, start_s: a, end_s: b } = data.rows;
      for (let k = 0; k < robot.data.length; k++) if (state.data[k] === s) add(robot.data[k], b.data[k] - a.data[k]);
    } else for (let f = 0; f + 1 < times.length; f++) for (let r = 0; r < robots; r++)
      if (data.state.data[f * robots + r] === s) add(r, times[f + 1] - times[f]);
    return [...sums].sort((x, y) => y[1] - x[1]);
  }

  function choose(what) { Object.assign(view, what); fillList(); refresh(); if (view.state >= 0 || view.lost >= 0 || view.stage >= 0) $('list-title').focus({ preventScroll: true }); }

  function fillList() {
    lines.forEach((line, s) => line.b.setAttribute('aria-pressed', String(view.state === s)));
    losers.forEach((line) => line.b.setAttribute('aria-pressed', String(view.lost === line.s)));
    stages.forEach((line, s) => line.b.setAttribute('aria-pressed', String(view.stage === s)));
    const isOpen = view.state >= 0 || view.lost >= 0 || view.stage >= 0;
    $('list-part').hidden = !isOpen;
    if (!isOpen) return;
    let found;
    if (view.lost >= 0) {
      found = lostBy(view.lost).map(([r, t]) => [r, `${data.names[r]}, ${(t / 3600).toFixed(2)} h`]);
      $('list-title').textContent = `Robots by time lost in ${data.states[view.lost].name}`;
    } else if (view.stage >= 0) {
      found = asked()[view.stage].map((k) => [data.questions.robot.data[k],
        `${data.names[data.questions.robot.data[k]]}, asked ${((view.now - edges[0][k]) / 60).toFixed(0)} min ago, answer in ${((edges[5][k] - view.now) / 60).toFixed(0)} min`]);
      $('list-title').textContent = `${found.length} ${found.length === 1 ? 'question' : 'questions'}: ${data.stages[view.stage]}`;
    } else {
      found = [];
      for (let r = 0; r < robots; r++) if (stateOf(r) === view.state) found.push([r, data.names[r]]);
      $('list-title').textContent = `${found.length} in ${data.states[view.state].name} now`;
    }
    $('list').replaceChildren(...found.slice(0, SHOWN).map(([r, text]) => {
      const item = document.createElement('li'), b = document.createElement('button');
      b.type = 'button'; b.textContent = text; b.dataset.robot = r;
      b.setAttribute('aria-pressed', String(r === view.robot));
      b.addEventListener('click', () => pick(r));
      item.append(b);
      return item;
    }));
    $('list-more').textContent = found.length > SHOWN ? `and ${found.length - SHOWN} more` : '';
  }

  function pick(robot, isAsked = true) {
    view.robot = robot;
    view.spans = spansOf(robot);
    if (scene) { scene.chosen = robot; scene.look(robot, view.frame); }
    for (const b of $('list').querySelectorAll('button')) b.setAttribute('aria-pressed', String(Number(b.dataset.robot) === robot));
    $('robot').hidden = false;
    $('robot-title').textContent = data.names[robot];
    $('robot-outcome').textContent = data.outcome[robot] || '';
    $('charts').replaceChildren(...data.series.map((series) => {
      const box = document.createElement('div'), name = document.createElement('p'), canvas = document.createElement('canvas');
      name.textContent = series.name;
      canvas.setAttribute('role', 'img'); canvas.setAttribute('aria-label', `${series.name} of ${data.names[robot]} over time`);
      box.append(name, canvas);
      return box;
    }));
    $('lane').hidden = false;
    $('log').hidden = !hasRows;
    if (hasRows) {
      const table = document.createElement('table');
      table.innerHTML = '<thead><tr><th scope="col">activity</th><th scope="col">from, h</th><th scope="col">for, h</th><th scope="col">pit</th></tr></thead>';
      const body = table.createTBody();
      view.spans.slice(0, 2000).forEach(([s, a, b, pit]) => {
        const row = body.insertRow();
        row.insertCell().textContent = data.states[s].name; row.insertCell().textContent = (a / 3600).toFixed(2);
        row.insertCell().textContent = ((b - a) / 3600).toFixed(2); row.insertCell().textContent = pit < 0 ? '' : pit;
      });
      $('log').replaceChildren(table);
    }
    refresh();
    if (isAsked) $('robot-title').focus({ preventScroll: window.innerWidth > 800 });
  }

  function refreshRobot() {
    const r = view.robot, s = stateOf(r);
    $('robot-state').textContent = data.states[s].name + (label(s) ? ` (${label(s)})` : '');
    $('robot-state').style.borderLeftColor = `var(--c${data.states[s].colour})`;
    const place = placeOf(data.parts[0], view.frame, 0, r), facts = [[`position, frame ${data.shown.frame} [m]`, place.map(short).join(', ')]];
    for (const series of data.series) facts.push([series.name, short(series.values.data[view.frame * robots + r])]);
    $('readouts').replaceChildren(...facts.flatMap(([name, text]) => {
      const dt = document.createElement('dt'), dd = document.createElement('dd');
      dt.textContent = name; dd.textContent = text;
      return [dt, dd];
    }));
    drawLane($('lane'), data, view.spans, view.now);
    [...$('charts').querySelectorAll('canvas')].forEach((c, k) => drawLine(c, data, data.series[k].values.data, r, view.now));
  }

  function refresh() {
    for (let s = 0; s < numStates; s++) {
      const n = data.counts.data[view.frame * numStates + s];
      lines[s].count.textContent = n;
      lines[s].b.style.setProperty('--share', `${100 * n / robots}%`);
      lines[s].item.hidden = n === 0 && !data.states[s].everSeen;
    }
    if (hasQuestions) asked().forEach((found, s) => { stages[s].count.textContent = found.length; });
    if ((view.state >= 0 || view.stage >= 0) && view.robot < 0) fillList();
    $('clock').textContent = clock(view.now, end);
    $('time').value = view.now;
    $('time').setAttribute('aria-valuetext', clock(view.now, end));
    if (view.legend) $('overlay').textContent = view.legend(scene.sunAt(view.frame));
    drawArea($('area'), data, view.now);
    if (view.robot >= 0) refreshRobot();
    view.words = performance.now();
  }
  data.states.forEach((state, s) => { for (let f = 0; f < times.length && !state.everSeen; f++) state.everSeen = data.counts.data[f * numStates + s] > 0; });

  function seek(t) {
    view.now = Math.min(Math.max(t, 0), end);
    let low = 0, high = times.length - 1;
    while (low < high) { const m = (low + high + 1) >> 1; if (times[m] <= view.now) low = m; else high = m - 1; }
    const isNew = low !== view.frame;
    view.frame = low;
    view.mix = low + 1 < times.length ? (view.now - times[low]) / (times[low + 1] - times[low]) : 0;
    view.dirty = true;
    return isNew;
  }
  function play(on) {
    if (on && view.now >= end) seek(0);
    view.isPlaying = on;
    $('play').textContent = on ? 'Pause' : 'Play';
    $('play').setAttribute('aria-pressed', String(on));
    view.last = performance.now();
    if (!on) refresh();
  }

  const marks = [];
  function tick(at) {
    if (view.isPlaying) {
      seek(view.now + view.speed * (at - view.last) / 1000);
      if (view.now >= end) play(false);
      // Words and charts ten times a second: they cost more than the scene.
      if (at - (view.words || 0) > 100) refresh();
    }
    view.last = at;
    if (view.dirty && scene) {
      scene.draw(view.frame, view.mix);
      view.dirty = false;
      marks.push(at);
      while (marks.length && at - marks[0] > 2000) marks.shift();
      if (view.isPlaying && marks.length > 5) $('rate').textContent = `${(1000 * (marks.length - 1) / (at - marks[0])).toFixed(0)} pictures a second, ${scene.calls} draw calls.`;
    }
    requestAnimationFrame(tick);
  }

  // Controls.
  $('time').max = end;
  const speeds = end > 7200 ? [60, 600, 3600, 14400, 43200, 86400] : [0.25, 0.5, 1, 2, 5, 10, 30];
  const wanted = end / 30;
  view.speed = end > 7200 ? speeds.reduce((a, b) => Math.abs(Math.log(b / wanted)) < Math.abs(Math.log(a / wanted)) ? b : a) : 1;
  for (const s of speeds) $('speed').append(new Option(s >= 3600 ? `${s / 3600} h/s` : s >= 60 ? `${s / 60} min/s` : `${s}×`, s, s === view.speed, s === view.speed));
  $('speed').addEventListener('change', () => { view.speed = Number($('speed').value); });
  $('play').addEventListener('click', () => play(!view.isPlaying));
  $('time').addEventListener('input', () => { seek(Number($('time').value)); refresh(); });
  $('area').addEventListener('click', (e) => { seek(e.offsetX / $('area').clientWidth * end); refresh(); });
  const isApart = data.apart > 0;
  $('apart-label').hidden = !isApart;
  $('force-label').hidden = !data.force;
  if (data.force) $('force-name').textContent = data.force.name;
  $('paths').checked = data.paths;
  $('bands').textContent = data.bands.map((b, k) => `${k === 0 ? 'yellow' : 'blue'} stripe: ${b.name}`).join('; ');
  if (scene) {
    $('apart').addEventListener('change', () => { scene.apart = $('apart').checked ? data.apart : 0; scene.home(); view.dirty = true; });
    $('forces').addEventListener('change', () => { scene.forces = $('forces').checked; view.dirty = true; });
    $('paths').addEventListener('change', () => { scene.paths = $('paths').checked; view.dirty = true; });
    $('size').addEventListener('input', () => { scene.size = 10 ** (Number($('size').value) / 1.5); view.dirty = true; });
    $('home').addEventListener('click', () => { scene.home(); view.dirty = true; });
    steer(scene, view);
    const g = Math.hypot(...data.gravity);
    view.legend = (sun) => `${g > 0 ? `dark arrow: gravity, ${short(g)} m/s²` : 'gravity: into the body'}\n` +
      (data.shown.frame === 'l' && sun[2] <= 0 ? 'night: the Sun is under the horizon' : 'yellow arrow: sunlight') +
      (data.force ? `\norange arrows: ${data.force.name}, the longest ${short(data.force.most)} N` : '');
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { scene.recolour(); view.dirty = true; refresh(); });
  }
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|BUTTON|TEXTAREA)$/.test(e.target.tagName)) return;
    if (e.key === ' ') { play(!view.isPlaying); e.preventDefault(); }
    if (e.key === ',' || e.key === '.') { seek(times[Math.min(Math.max(view.frame + (e.key === '.' ? 1 : -1), 0), times.length - 1)]); refresh(); }
  });
  new ResizeObserver(() => { view.dirty = true; if (view.frame >= 0) refresh(); }).observe($('scene'));
  seek(0);
  refresh();
  if (robots === 1 || data.shown.kind === 'flight') pick(0, false);
  if (scene) scene.home();
  window.stopeReplay = { data, view, scene, seek, play, refresh };
  document.documentElement.dataset.ready = 'true';
  requestAnimationFrame(tick);
}

function steer(scene, view) {
  const canvas = $('scene'), held = new Map();
  const turn = (dx, dy) => {
    scene.camera.yaw -= dx; scene.camera.pitch = Math.min(1.55, Math.max(-1.55, scene.camera.pitch + dy)); view.dirty = true;
  };
  const zoom = (factor) => { scene.camera.distance *= factor; view.dirty = true; };
  canvas.addEventListener('pointerdown', (e) => { held.set(e.pointerId, e); canvas.setPointerCapture(e.pointerId); });
  for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, (e) => held.delete(e.pointerId));
  canvas.addEventListener('pointermove', (e) => {
    const before = held.get(e.pointerId);
    if (!before) return;
    if (held.size === 2) {
      const other = [...held.values()].find((x) => x.pointerId !== e.pointerId);
      const gap = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      zoom(gap(before) / gap(e));
    } else turn(0.008 * (e.clientX - before.clientX), 0.008 * (e.clientY - before.clientY));
    held.set(e.pointerId, e);
  });
  canvas.addEventListener('wheel', (e) => { zoom(Math.exp(0.0015 * e.deltaY)); e.preventDefault(); }, { passive: false });
  canvas.addEventListener('keydown', (e) => {
    const to = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[e.key];
    if (to) { turn(...to); e.preventDefault(); }
    if (e.key === '+' || e.key === '=') zoom(0.85);
    if (e.key === '-') zoom(1 / 0.85);
  });
}

load().then(start).catch((error) => {
  $('failed').hidden = false;
  $('failed').textContent = `This replay cannot be shown: ${error.message}`;
  throw error;
});
