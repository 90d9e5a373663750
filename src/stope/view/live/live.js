// SPDX-License-Identifier: Apache-2.0
// Asks for the run's state once a second and shows it; what is drawn is said in a table too.
'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  const long = (s) => s < 90 ? `${s.toFixed(0)} s` : s < 5400 ? `${(s / 60).toFixed(0)} min` : `${(s / 3600).toFixed(1)} h`;
  let shown = null;

  function alarm(text) { $('alarm').hidden = !text; if ($('alarm').textContent !== text) $('alarm').textContent = text; }

  function fill(head, rows) {
    const line = (cells, tag) => {
      const row = document.createElement('tr');
      for (const text of cells) { const cell = document.createElement(tag); cell.textContent = text; if (tag === 'th') cell.scope = 'col'; row.append(cell); }
      return row;
    };
    $('head').replaceChildren(line(head, 'th'));
    $('rows').replaceChildren(...rows.map((cells) => line(cells, 'td')));
    $('rows-part').hidden = !rows.length;
  }

  function drawCurve(curve) {
    const canvas = $('curve'), ratio = Math.min(devicePixelRatio || 1, 2), w = canvas.clientWidth, h = canvas.clientHeight;
    canvas.width = w * ratio; canvas.height = h * ratio;
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = '12px system-ui, sans-serif';
    const end = curve.at(-1).steps || 1, left = 44, bottom = h - 20;
    const x = (s) => left + (w - left - 8) * s / end, y = (v) => 8 + (bottom - 8) * (1 - v);
    for (const v of [0, 0.5, 1]) {
      pen.strokeStyle = ink('--rule'); pen.lineWidth = 1; pen.beginPath(); pen.moveTo(left, y(v)); pen.lineTo(w - 8, y(v)); pen.stroke();
      pen.fillStyle = ink('--muted'); pen.textAlign = 'right'; pen.fillText(`${100 * v} %`, left - 6, y(v) + 4);
    }
    pen.fillText(`${end.toLocaleString('en')} control steps`, w - 8, h - 4);
    pen.fillStyle = ink('--accent-pale'); pen.beginPath();
    for (const p of curve) pen.lineTo(x(p.steps), y(p.low));
    for (const p of [...curve].reverse()) pen.lineTo(x(p.steps), y(p.high));
    pen.fill();
    pen.strokeStyle = ink('--accent'); pen.lineWidth = 2; pen.beginPath();
    for (const p of curve) pen.lineTo(x(p.steps), y(p.success));
    pen.stroke();
    pen.fillStyle = ink('--accent');
    for (const p of curve) { pen.beginPath(); pen.arc(x(p.steps), y(p.success), 3, 0, 7); pen.fill(); }
  }

  function show(state) {
    shown = state;
    $('title').textContent = state.kind === 'training' ? `${state.what}: training` : `${state.what}: mission`;
    document.title = `stope: ${state.what}, ${state.status}`;
    $('answer').textContent = state.answer;
    $('status').textContent = state.status;
    $('age').textContent = `newest data ${long(state.age_s)} old`;
    $('progress').hidden = !state.num_iterations;
    $('count').textContent = state.iteration === null ? '' : `iteration ${state.iteration}${state.num_iterations ? ` of ${state.num_iterations}` : ''}`;
    if (state.num_iterations) $('progress').value = state.status === 'done' ? 1 : state.iteration / state.num_iterations;
    alarm(state.is_stale ? `warning: nothing new for ${long(state.age_s)}. The run may have been stopped.` : '');
    $('curve-part').hidden = !state.curve.length;
    if (state.curve.length) drawCurve(state.curve);
    if (state.kind === 'training') {
      $('rows-title').textContent = 'Evaluations, the newest first';
      fill(['iteration', 'control steps', 'success', '95 % interval'], [...state.curve].reverse().slice(0, 50).map((p) =>
        [p.iteration, p.steps.toLocaleString('en'), percent(p.success), `${percent(p.low)} to ${percent(p.high)}`]));
    } else {
      $('rows-title').textContent = 'Pieces that are done, the newest first';
      fill(['piece', 'files', 'age'], state.pieces.map((p) => [p.name, p.count, long(p.age_s)]));
    }
    document.documentElement.dataset.ready = 'true';
  }

  function showRobots(robots, kind) {
    const making = robots.status === 'making', fault = robots.status === 'failed';
    $('robots-ask').disabled = making;
    $('robots-said').textContent = making ? (kind === 'training' ? 'The newest weights are flown.' : 'The month is read.')
      : fault ? `distress: ${robots.fault}` : robots.path ? `Of ${robots.of}, made ${long(robots.age_s)} ago. ${robots.answer}` : '';
    if (robots.path && $('robots-link').getAttribute('href') !== robots.path) {
      $('robots-link').href = robots.path; $('robots-frame').src = robots.path;
    }
    $('robots-link').hidden = $('robots-frame').hidden = !robots.path;
  }

  async function ask() {
    $('robots-ask').disabled = true;
    const answer = await fetch('/robots', { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
    if (!answer.ok) { $('robots-said').textContent = `distress: ${(await answer.text()).trim()}`; $('robots-ask').disabled = false; }
  }

  async function look() {
    try {
      const answer = await fetch('/state', { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' });
      if (answer.status === 401) alarm('critical: the address lacks the token. Open the one that stope printed.');
      else {
        const state = await answer.json();
        if (state.fault) alarm(`distress: ${state.fault}`); else show(state);
        showRobots(state.robots, state.kind);
      }
    } catch (error) {
      alarm('distress: stope does not answer any more. What is shown is the last that came.');
    }
    setTimeout(look, 1000);
  }
  $('robots-ask').addEventListener('click', () => ask().catch(() => alarm('distress: stope does not answer any more.')));
  addEventListener('resize', () => { if (shown && shown.curve.length) drawCurve(shown.curve); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (shown && shown.curve.length) drawCurve(shown.curve); });
  look();
})();
