// SPDX-License-Identifier: Apache-2.0
// The scene: every class of parts is one instanced call; poses lie on the graphics processor, 16 bytes each.

const VERTEX = `#version 300 es
precision highp float; precision highp int;
layout(location=0) in vec3 a_position; layout(location=1) in vec3 a_normal;
layout(location=2) in vec4 i_place0; layout(location=3) in vec4 i_turn0;
layout(location=4) in vec4 i_place1; layout(location=5) in vec4 i_turn1;
uniform mat4 u_view; uniform vec3 u_middle, u_half, u_sun; uniform float u_mix, u_apart, u_size;
uniform ivec2 u_grid; uniform int u_per, u_sized, u_colour, u_chosen; uniform vec3 u_colours[12];
uniform int u_dots, u_first; uniform float u_dot;
flat out vec3 v_colour;
vec3 turn(vec4 q, vec3 v) { return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v); }
void main() {
  int robot = u_dots == 1 ? gl_VertexID : u_first + gl_InstanceID / u_per;
  vec3 place = u_middle + u_half * mix(i_place0.xyz, i_place1.xyz, u_mix) / 32767.0;
  vec4 q = normalize(mix(i_turn0, i_turn1, u_mix));
  int code = int(i_place0.w + 0.5);
  float size = u_size * (u_sized == 1 ? i_place0.w / 1000.0 : float(code / 16) / 100.0);
  vec2 cell = vec2(robot % u_grid.x, robot / u_grid.x) - 0.5 * vec2(u_grid - 1);
  place.xy += u_apart * cell * vec2(1.0, -1.0);
  vec3 normal = u_dots == 1 ? vec3(0.0, 0.0, 1.0) : turn(q, a_normal);
  int shade = u_colour >= 0 ? u_colour : clamp(code % 16, 0, 11);
  float light = 0.6 + 0.4 * max(dot(normal, u_sun), 0.0);
  v_colour = u_colours[u_sized == 1 ? max(u_colour, 0) : shade] * light;
  if (robot == u_chosen) v_colour = mix(v_colour, vec3(1.0, 1.0, 1.0), 0.35);
  gl_Position = u_view * vec4(u_dots == 1 ? place : place + size * turn(q, a_position), 1.0);
  gl_PointSize = u_dot;
}`;
const FLAT_VERTEX = `#version 300 es
precision highp float; precision highp int;
layout(location=0) in vec3 a_position; layout(location=1) in vec3 a_normal;
uniform mat4 u_view; uniform vec3 u_sun, u_colour, u_shift; uniform float u_apart, u_lit; uniform ivec2 u_grid;
flat out vec3 v_colour;
void main() {
  vec2 cell = vec2(gl_InstanceID % u_grid.x, gl_InstanceID / u_grid.x) - 0.5 * vec2(u_grid - 1);
  vec3 place = a_position + u_shift + vec3(u_apart * cell * vec2(1.0, -1.0), 0.0);
  v_colour = u_colour * (u_lit > 0.5 ? 0.55 + 0.45 * max(dot(a_normal, u_sun), 0.0) : 1.0);
  gl_Position = u_view * vec4(place, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float; flat in vec3 v_colour; out vec4 colour;
void main() { colour = vec4(v_colour, 1.0); }`;

const DOT = 3;  // pixels, half the width of a robot, under which it is drawn as a dot, and half a dot's least width
const MOST_FACES = 100000;  // above, only the nearest robots have their shape, the others are dots
const NEAR = 100;  // so many

function compiled(gl, vertex) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  const at = {};
  for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
    const name = gl.getActiveUniform(program, k).name;
    at[name.replace('[0]', '')] = gl.getUniformLocation(program, name);
  }
  return { program, at };
}

// Corners of each face apart, so that faces are flat; [position, normal] x 3.
function flat(vertices, faces) {
  const out = new Float32Array(faces.length * 6);
  for (let f = 0; f < faces.length; f += 3) {
    const c = [0, 1, 2].map((k) => vertices.subarray(3 * faces[f + k], 3 * faces[f + k] + 3));
    const u = [0, 1, 2].map((k) => c[1][k] - c[0][k]), v = [0, 1, 2].map((k) => c[2][k] - c[0][k]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const size = Math.hypot(...n) || 1;
    for (let k = 0; k < 3; k++) for (let i = 0; i < 3; i++) {
      out[(f + k) * 6 + i] = c[k][i];
      out[(f + k) * 6 + 3 + i] = n[i] / size;
    }
  }
  return out;
}

function rgb(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16) / 255);
}

function cameraMatrix(camera, aspect) {
  const { yaw, pitch, distance, target } = camera;
  const back = [Math.cos(pitch) * Math.cos(yaw), Math.cos(pitch) * Math.sin(yaw), Math.sin(pitch)];
  const right = [-Math.sin(yaw), Math.cos(yaw), 0];
  const up = [back[1] * right[2] - back[2] * right[1], back[2] * right[0] - back[0] * right[2],
    back[0] * right[1] - back[1] * right[0]];
  const eye = target.map((t, k) => t + distance * back[k]);
  const near = distance * 0.02, far = distance * 60, f = 1.9, a = (far + near) / (near - far);
  const rows = [right, up, back].map((r) => [...r, -(r[0] * eye[0] + r[1] * eye[1] + r[2] * eye[2])]);
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) {
    out[4 * c] = f / Math.max(aspect, 1) * rows[0][c];
    out[4 * c + 1] = f * Math.min(aspect, 1) * rows[1][c];
    out[4 * c + 2] = a * rows[2][c] + (c === 3 ? 2 * far * near / (near - far) : 0);
    out[4 * c + 3] = -rows[2][c];
  }
  return out;
}

// For anybody who asks where a robot is; what the vertex shader computes.
function placeOf(part, frame, mix, robot) {
  const n = part.poses.shape[1], per = part.per, frames = part.poses.shape[0];
  const a = Math.min(frame, frames - 1), b = Math.min(a + 1, frames - 1), rows = part.poses.data;
  return [0, 1, 2].map((k) => part.middle[k] + part.half[k] / 32767 *
    ((1 - mix) * rows[8 * (a * n + robot * per) + k] + mix * rows[8 * (b * n + robot * per) + k]));
}

function makeScene(canvas, data) {
  const gl = canvas.getContext('webgl2', { antialias: data.names.length <= 64, powerPreference: 'high-performance' });
  if (!gl) return null;
  const robots = data.names.length, columns = Math.ceil(Math.sqrt(robots)), rows = Math.ceil(robots / columns);
  const main = compiled(gl, VERTEX), plain = compiled(gl, FLAT_VERTEX);
  const fill = (array) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
    return buffer;
  };
  const meshOf = (given) => {
    const corners = flat(given.vertices.data, given.faces.data), vao = gl.createVertexArray();
    gl.bindVertexArray(vao);
    fill(corners);
    for (const k of [0, 1]) { gl.enableVertexAttribArray(k); gl.vertexAttribPointer(k, 3, gl.FLOAT, false, 24, 12 * k); }
    return { vao, count: corners.length / 6 };
  };
  for (const part of data.parts) {
    part.per = part.poses.shape[1] / robots;
    Object.assign(part, meshOf(part));
    part.buffer = fill(part.poses.data);
    for (let k = 2; k < 6; k++) { gl.enableVertexAttribArray(k); gl.vertexAttribDivisor(k, 1); }
    part.reach = Math.sqrt(part.vertices.data.reduce((most, x) => Math.max(most, 3 * x * x), 0));
    part.dots = gl.createVertexArray();
    gl.bindVertexArray(part.dots);
    for (let k = 2; k < 6; k++) gl.enableVertexAttribArray(k);
  }
  const ground = data.ground && meshOf(data.ground);
  const lines = { vao: gl.createVertexArray(), buffer: gl.createBuffer() };
  gl.bindVertexArray(lines.vao);
  gl.bindBuffer(gl.ARRAY_BUFFER, lines.buffer);
  gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 12, 0);
  gl.disableVertexAttribArray(1);

  const scene = {
    gl, columns, rows, apart: data.apart, size: 1, chosen: -1, camera: {}, forces: true, paths: data.paths,
    calls: 0, shift: (robot) => [
      scene.apart * (robot % columns - (columns - 1) / 2), -scene.apart * (Math.floor(robot / columns) - (rows - 1) / 2)],
    home() {
      const box = { low: [1e30, 1e30, 1e30], high: [-1e30, -1e30, -1e30] };
      for (const part of data.parts) if (!part.sized) for (let k = 0; k < 3; k++) {
        box.low[k] = Math.min(box.low[k], part.middle[k] - part.half[k]);
        box.high[k] = Math.max(box.high[k], part.middle[k] + part.half[k]);
      }
      const around = data.shown.kind === 'month' && data.ground ? data.ground.vertices.data : [];
      for (let k = 0; k < around.length; k++) {
        box.low[k % 3] = Math.min(box.low[k % 3], around[k]); box.high[k % 3] = Math.max(box.high[k % 3], around[k]);
      }
      // Side by side, each world has a patch of its own, and the nearest corner must be seen too.
      const spread = [columns - 1, rows - 1, 0].map((n) => n * scene.apart), patch = [columns, rows, 0].map((n) => n * scene.apart);
      const wide = box.high.map((h, k) => Math.max(h - box.low[k] + spread[k], patch[k]));
      const sun = data.sun[0], isMonth = data.shown.kind === 'month';
      scene.camera = { yaw: isMonth ? Math.atan2(sun[1], sun[0]) + 0.5 : -1.0, pitch: isMonth ? 0.3 : 0.55,
        distance: Math.max((isMonth ? 0.68 : scene.apart > 0 ? 0.92 : 0.8) * Math.hypot(...wide), 1.6),
        target: box.high.map((h, k) => 0.5 * (h + box.low[k])) };
    },
    look(robot, frame) {
      if (data.shown.kind !== 'month') scene.camera.distance = Math.min(scene.camera.distance, 40 * data.parts[0].reach);
      const p = placeOf(data.parts[0], frame, 0, robot), s = scene.shift(robot);
      scene.camera.target = [p[0] + s[0], p[1] + s[1], p[2]];
    },
    sunAt(at) {
      const suns = data.sun, last = data.times.data.length - 1, place = (suns.length - 1) * (last ? at / last : 0);
      const k = Math.min(Math.floor(place), suns.length - 1), next = suns[Math.min(k + 1, suns.length - 1)];
      const ray = suns[k].map((x, i) => x + (place - k) * (next[i] - x)), length = Math.hypot(...ray);
      return ray.map((x) => x / length);
    },
    recolour() {
      scene.colours = new Float32Array([...Array(12).keys()].flatMap((k) => rgb('--c' + k)));
      scene.back = rgb('--grey-soft'); scene.earth = [rgb('--grey'), rgb('--c11')].sort((a, b) => b[0] - a[0])[0]; scene.ink = rgb('--ink'); scene.accent = rgb('--accent');
    },
    draw(frame, mix) {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const w = Math.max(1, Math.round(canvas.clientWidth * ratio)), h = Math.max(1, Math.round(canvas.clientHeight * ratio));
      if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
      gl.viewport(0, 0, w, h);
      gl.clearColor(...scene.back, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.enable(gl.DEPTH_TEST);
      const view = cameraMatrix(scene.camera, w / h);
      const sun = scene.sunNow = scene.sunAt(frame + mix);
      scene.calls = 0;
      gl.useProgram(plain.program);
      gl.uniformMatrix4fv(plain.at.u_view, false, view);
      gl.uniform3fv(plain.at.u_sun, sun);
      gl.uniform2i(plain.at.u_grid, columns, rows);
      gl.uniform3f(plain.at.u_shift, 0, 0, 0);
      if (ground) {
        gl.bindVertexArray(ground.vao);
        gl.uniform1f(plain.at.u_lit, 1);
        gl.uniform1f(plain.at.u_apart, scene.apart);
        gl.uniform3fv(plain.at.u_colour, scene.earth);
        gl.drawArraysInstanced(gl.TRIANGLES, 0, ground.count, scene.apart > 0 ? Math.min(robots, 256) : 1);
        scene.calls++;
      }
      scene.drawLines(frame, mix);
      gl.useProgram(main.program);
      gl.uniformMatrix4fv(main.at.u_view, false, view);
      gl.uniform3fv(main.at.u_sun, sun);
      gl.uniform3fv(main.at.u_colours, scene.colours);
      gl.uniform2i(main.at.u_grid, columns, rows);
      gl.uniform1f(main.at.u_apart, scene.apart);
      gl.uniform1i(main.at.u_chosen, scene.chosen);
      const faces = data.parts.reduce((sum, part) => sum + part.count / 3 * part.poses.shape[1], 0);
      const pixels = (part) => 0.95 * scene.size * part.reach / scene.camera.distance * h;
      const isSmall = pixels(data.parts[0]) < DOT * ratio;
      scene.detail = isSmall ? 'dots' : faces > MOST_FACES ? 'near' : 'whole';
      gl.uniform1f(main.at.u_dot, Math.max((robots > NEAR ? 2 : 2 * DOT) * ratio, 2 * pixels(data.parts[0])));
      gl.uniform1i(main.at.u_first, 0);
      gl.enable(gl.CULL_FACE);
      if (scene.detail !== 'whole') scene.put(data.parts[0], frame, mix, 'dots', 0, robots);
      if (scene.detail === 'whole') for (const part of data.parts) scene.put(part, frame, mix, 'vao', 0, part.poses.shape[1]);
      if (scene.detail === 'near') for (const robot of scene.nearest(frame)) {
        gl.uniform1i(main.at.u_first, robot);
        for (const part of data.parts) scene.put(part, frame, mix, 'vao', robot * part.per, part.per);
      }
      gl.disable(gl.CULL_FACE);
    },
    // Instances of one part, from one on.
    put(part, frame, mix, how, first, num) {
      const n = part.poses.shape[1], frames = part.poses.shape[0];
      const a = Math.min(frame, frames - 1), b = Math.min(a + 1, frames - 1);
      gl.bindVertexArray(part[how]);
      gl.bindBuffer(gl.ARRAY_BUFFER, part.buffer);
      for (const [k, at] of [[2, a], [4, b]]) {
        gl.vertexAttribPointer(k, 4, gl.SHORT, false, 16, 16 * (at * n + first));
        gl.vertexAttribPointer(k + 1, 4, gl.SHORT, true, 16, 16 * (at * n + first) + 8);
      }
      gl.uniform1i(main.at.u_dots, how === 'dots' ? 1 : 0);
      gl.uniform3fv(main.at.u_middle, part.middle);
      gl.uniform3fv(main.at.u_half, part.half);
      gl.uniform1f(main.at.u_mix, data.smooth && frames > 1 ? mix : 0);
      gl.uniform1f(main.at.u_size, part.sized ? 1 : scene.size);
      gl.uniform1i(main.at.u_per, part.per);
      gl.uniform1i(main.at.u_sized, part.sized ? 1 : 0);
      gl.uniform1i(main.at.u_colour, part.colour);
      if (how === 'dots') gl.drawArrays(gl.POINTS, 0, num); else gl.drawArraysInstanced(gl.TRIANGLES, 0, part.count, num);
      scene.calls++;
    },
    // The robots nearest to what the camera looks at; the others are dots, far away or out of sight.
    nearest(frame) {
      const part = data.parts[0], n = part.poses.shape[1], rows = part.poses.data, target = scene.camera.target;
      const at = 8 * n * Math.min(frame, part.poses.shape[0] - 1), away = new Float32Array(robots);
      for (let robot = 0; robot < robots; robot++) {
        const row = at + 8 * robot * part.per;
        const x = part.middle[0] + part.half[0] / 32767 * rows[row] + scene.apart * (robot % columns - (columns - 1) / 2);
        const y = part.middle[1] + part.half[1] / 32767 * rows[row + 1] -
          scene.apart * (Math.floor(robot / columns) - (scene.rows - 1) / 2);
        const z = part.middle[2] + part.half[2] / 32767 * rows[row + 2];
        away[robot] = (x - target[0]) ** 2 + (y - target[1]) ** 2 + (z - target[2]) ** 2;
      }
      const limit = away.slice().sort()[Math.min(NEAR, robots - 1)], out = [];
      for (let robot = 0; robot < robots && out.length < NEAR; robot++) if (away[robot] <= limit) out.push(robot);
      return out;
    },
    // Force arrows, gravity, light, and paths, all as lines.
    drawLines(frame, mix) {
      gl.bindVertexArray(lines.vao);
      gl.bindBuffer(gl.ARRAY_BUFFER, lines.buffer);
      gl.uniform1f(plain.at.u_lit, 0);
      gl.uniform1f(plain.at.u_apart, 0);
      const put = (points, colour, mode) => {
        if (!points.length) return;
        gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(points), gl.STREAM_DRAW);
        gl.uniform3fv(plain.at.u_colour, colour);
        gl.drawArraysInstanced(mode, 0, points.length / 3, 1);
        scene.calls++;
      };
      const part = data.parts[0], unit = 0.16 * scene.camera.distance;
      const placed = (robot, f, m) => {
        const p = placeOf(part, f, m, robot), s = scene.shift(robot);
        return [p[0] + s[0], p[1] + s[1], p[2]];
      };
      const arrow = (from, vector) => {
        const tip = from.map((x, k) => x + vector[k]), side = [-vector[1], vector[0], 0];
        const n = Math.hypot(...side), out = n > 1e-9 * Math.hypot(...vector) ? side.map((x) => x / n) : [1, 0, 0];
        const barb = (s) => tip.map((x, k) => x - 0.25 * vector[k] + s * 0.1 * Math.hypot(...vector) * out[k]);
        return [...from, ...tip, ...tip, ...barb(1), ...tip, ...barb(-1)];
      };
      const centre = scene.camera.target, g = Math.hypot(...data.gravity);
      // Its tip at the middle of the scene: the other way about, the ground would hide it.
      if (g > 0) put(arrow(centre.map((x, k) => x - unit * data.gravity[k] / g), data.gravity.map((x) => unit * x / g)), scene.ink, gl.LINES);
      put(arrow(centre.map((x, k) => x + 2 * unit * scene.sunNow[k]), scene.sunNow.map((x) => -unit * x)), rgb('--c8'), gl.LINES);
      if (data.force && scene.forces && data.force.most > 0 && robots <= 2000) {
        const points = [], values = data.force.values.data;
        for (let robot = 0; robot < robots; robot++) {
          const v = values.subarray(3 * (frame * robots + robot), 3 * (frame * robots + robot) + 3);
          const size = Math.hypot(...v) / data.force.most;
          if (size > 0.003) points.push(...arrow(placed(robot, frame, mix), [...v].map((x) => x / data.force.most / Math.sqrt(size) * scene.arrow)));
        }
        put(points, scene.accent, gl.LINES);
      }
      const drawn = scene.paths ? Math.min(robots, 64) : 0;
      for (let robot = 0; robot < robots; robot++) {
        if (robot >= drawn && robot !== scene.chosen) continue;
        if (part.poses.shape[0] < 2) break;
        const points = [], step = Math.max(1, Math.floor(frame / 400));
        for (let f = 0; f <= frame; f += step) points.push(...placed(robot, f, 0));
        points.push(...placed(robot, frame, data.smooth ? mix : 0));
        put(points, robot === scene.chosen ? scene.accent : rgb('--c' + data.states[data.state.data[frame * robots + robot]].colour), gl.LINE_STRIP);
      }
    },
  };
  scene.arrow = data.apart > 0 ? 0.4 * data.apart : 1.0;
  scene.recolour();
  scene.home();
  return scene;
}
