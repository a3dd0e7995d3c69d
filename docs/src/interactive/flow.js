// The page: a drawing, the training of its flow, and the animation.
'use strict';

const FlowPage = (() => {
  const get = id => document.getElementById(`flow-${id}`);
  const asked = new URLSearchParams(location.search);
  const [MOST, SCALE, CELLS, SHOWN, TIMES] = [20000, 0.4, 40, 500, 8];
  const state = {
    engine: null, points: [], losses: [], step: 0, made: false, running: false, busy: false, ways: null, frames: [],
    // Where the pictures were asked for: the step, and the choice of sampler.
    drawn: { ways: '', frames: [] }, t: 0, playing: true, holding: 0, rates: { frames: 0, steps: 0 }, era: 0,
  };

  const say = (text, wrong = false) => {
    get('message').textContent = text;
    get('message').classList.toggle('flow-wrong', wrong);
  };

  const whole = (id, low, high) => {
    const value = Number(get(id).value);
    if (!Number.isInteger(value) || value < low || value > high) throw `${id === 'steps' ? 'Steps' : 'The seed'}: a whole number from ${low} to ${high}.`;
    return value;
  };

  const sampling = () => ({ sampler: get('sampler').value, steps: whole('steps', 1, 200) });

  // ---- the drawing

  // Forgets the flow, as its drawing or a setting is another one.
  function forget() {
    Object.assign(state, { made: false, step: 0, losses: [], ways: null, frames: [], drawn: { ways: '', frames: [] } });
    state.era++;
    ready();
  }

  function ready() {
    const count = state.points.length / 2;
    get('train').disabled = !state.engine;
    get('train').textContent = state.running ? 'Pause' : 'Train';
    get('reset').disabled = !state.made;
    if (!state.engine) return;
    if (state.running) say('Training …');
    else if (count < 2) say(count === 1 ? 'One point: draw at least two.' : 'Draw at least two points in the square, or take a drawing from the list.');
    else if (state.made) say(`Paused at step ${state.step.toLocaleString('en')}. Press Train to go on.`);
    else say(`${count.toLocaleString('en')} points. Press Train.`);
  }

  function setPoints(points) {
    state.points = Array.from(points).slice(0, 2 * MOST);
    forget();
    if (state.running && state.points.length < 4) state.running = false;
    ready();
    if (points.length > 2 * MOST) say(`A drawing holds ${MOST.toLocaleString('en')} points. The rest is left out.`, true);
  }

  const inside = value => Math.min(1, Math.max(-1, value));

  function draw() {
    const plane = get('plane');
    let last = null;
    const place = event => {
      const box = plane.getBoundingClientRect();
      return [inside((event.clientX - box.left) / box.width * 2 - 1), inside(1 - (event.clientY - box.top) / box.height * 2)];
    };
    // A stroke leaves a point at every hundredth of the square.
    const stroke = to => {
      const from = last || to;
      const parts = Math.max(1, Math.round(Math.hypot(to[0] - from[0], to[1] - from[1]) / 0.02));
      if (last && Math.hypot(to[0] - from[0], to[1] - from[1]) < 0.02) return;
      for (let i = 1; i <= parts && state.points.length < 2 * MOST; i++) {
        state.points.push(...[0, 1].map(k => Math.fround(from[k] + (to[k] - from[k]) * i / parts)));
      }
      last = to;
    };
    plane.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      plane.setPointerCapture(event.pointerId);
      // Your own drawing takes the place of one from the list.
      if (get('preset').value) state.points = [];
      get('preset').value = '';
      last = null;
      stroke(place(event));
      event.preventDefault();
    });
    plane.addEventListener('pointermove', event => {
      if (last) (event.getCoalescedEvents?.() ?? [event]).forEach(part => stroke(place(part)));
    });
    const end = () => {
      if (!last) return;
      last = null;
      setPoints(state.points);
      if (state.points.length >= 2 * MOST) say(`A drawing holds ${MOST.toLocaleString('en')} points.`, true);
    };
    plane.addEventListener('pointerup', end);
    plane.addEventListener('pointercancel', end);
  }

  // ---- training, and the pictures of it

  async function make(era) {
    const [path, coupling, seed] = [get('path').value, get('coupling').value, whole('seed', 0, 4294967295)];
    await state.engine.call('create', { points: Float32Array.from(state.points), path, coupling, seed });
    if (era === state.era) state.made = true;
  }

  let slice = 4;

  async function train(era) {
    const goal = state.engine.threaded ? 60 : 14;
    const { value, ms } = await state.engine.call('train', { steps: slice });
    if (era !== state.era) return;
    for (const loss of value) state.losses.push(loss);
    state.step += value.length;
    state.rates.steps = value.length / ms * 1000;
    if (!state.running) ready();
    slice = Math.max(1, Math.min(200, Math.round(slice * Math.min(2, goal / Math.max(ms, 0.1)))));
  }

  // Makes the next part of the pictures anew, if any is older than the weights. Returns whether there was one.
  async function renew(era) {
    const now = performance.now();
    const choice = JSON.stringify(sampling());
    const wanted = `${state.step} ${choice}`;
    const changed = !state.drawn.ways.endsWith(choice);
    if (state.drawn.ways !== wanted && (!state.running || changed || now - state.drawn.since > 500)) {
      // A sampler that this flow has not is told, and the training goes on.
      const ways = await state.engine.call('ways', { ...sampling(), count: SHOWN }).then(answer => answer.value, error => say(error, true));
      if (era === state.era) Object.assign(state, { ways: ways ?? null, drawn: { ...state.drawn, ways: wanted, since: now } });
      return true;
    }
    // The oldest time first, and the end before the others.
    const ages = Array.from({ length: TIMES }, (_, i) => state.drawn.frames[i] ?? -1);
    const oldest = Math.min(...ages);
    if (oldest === state.step || (state.running && !get('show-density').checked)) return false;
    await density(ages.lastIndexOf(oldest), era);
    return true;
  }

  let rows = 4;

  async function density(index, era) {
    const [t, step] = [(index + 1) / TIMES, state.step];
    const values = new Float32Array(CELLS * CELLS);
    for (let first = 0; first < CELLS;) {
      const end = Math.min(CELLS, first + rows);
      const { value, ms } = await state.engine.call('density', { t, cells: CELLS, first, end });
      if (era !== state.era) return;
      value.forEach((log, i) => { values[first * CELLS + i] = Math.exp(log); });
      first = end;
      const goal = state.engine.threaded ? 60 : 14;
      rows = Math.max(1, Math.min(CELLS, Math.round(rows * Math.min(2, goal / Math.max(ms, 0.1)))));
      if (state.running) await train(era);
      if (era !== state.era) return;
    }
    state.drawn.frames[index] = step;
    const frames = state.frames.filter(frame => frame.t !== t && frame.t > 0);
    state.frames = [normal(), ...frames, { t, values }].sort((a, b) => a.t - b.t);
  }

  // The density of the noise, where every flow begins.
  function normal() {
    const centre = i => (i + 0.5) / CELLS * 2 - 1;
    const values = Float32Array.from({ length: CELLS * CELLS }, (_, i) => {
      const [x, y] = [centre(i % CELLS), centre(Math.floor(i / CELLS))];
      return Math.exp(-(x * x + y * y) / (2 * SCALE * SCALE)) / (2 * Math.PI * SCALE * SCALE);
    });
    return { t: 0, values };
  }

  // Works until training is paused and all pictures are those of the last step.
  async function work() {
    if (state.busy || !state.engine) return;
    state.busy = true;
    try {
      for (let more = true; more;) {
        const era = state.era;
        if (state.running && !state.made) await make(era);
        if (era !== state.era) continue;
        if (state.running) await train(era);
        if (era !== state.era) continue;
        const renewed = state.made && await renew(era);
        more = state.running || renewed;
      }
    } catch (error) {
      state.running = false;
      say(String(error), true);
      get('train').textContent = 'Train';
    }
    state.busy = false;
  }

  function toggle() {
    if (state.running) {
      state.running = false;
      return ready();
    }
    if (state.points.length < 4) return say(`${state.points.length ? 'One point is' : 'Nothing is'} drawn: draw at least two points.`, true);
    state.running = true;
    ready();
    work();
  }

  // ---- the animation

  let frames = [];

  function show(now) {
    const before = frames.at(-1) ?? now;
    frames.push(now);
    frames = frames.filter(time => time > now - 1000);
    state.rates.frames = frames.length > 1 ? (frames.length - 1) / (now - frames[0]) * 1000 : 0;
    if (state.playing && state.ways) {
      // From noise to data in three seconds, and a look at the end.
      state.t += (now - before) / 3000;
      if (state.t > 1.4) state.t = 0;
    }
    const t = Math.min(state.t, 1);
    get('t').value = t;
    get('t-value').textContent = t.toFixed(2);
    const shown = name => get(`show-${name}`).checked;
    FlowPicture.plane(get('plane'), {
      ...state, t, cells: CELLS,
      show: { density: shown('density'), points: shown('points'), trails: shown('trails'), drawing: shown('drawing') },
    });
    FlowPicture.loss(get('loss'), state.losses);
    if (state.engine) {
      const { threaded, vectors } = state.engine;
      const steps = state.running ? `${state.rates.steps.toFixed(0)} steps/s, ` : '';
      get('status').textContent = `Step ${state.step.toLocaleString('en')}: ${steps}${state.rates.frames.toFixed(0)} frames/s; ${threaded ? 'in a worker' : 'without a worker'}, ${vectors ? 'with' : 'without'} SIMD.`;
    }
    requestAnimationFrame(show);
  }

  function play(on) {
    state.playing = on;
    get('play').textContent = on ? '❚❚' : '►';
  }

  // ---- the page

  async function choosePreset() {
    const name = get('preset').value;
    if (!name) return;
    const { value } = await state.engine.call('preset', { name, count: 2000, seed: 0 });
    setPoints(value);
    if (state.running) work();
  }

  function listen() {
    draw();
    get('train').addEventListener('click', toggle);
    get('reset').addEventListener('click', () => { forget(); work(); });
    get('clear').addEventListener('click', () => { get('preset').value = ''; state.running = false; setPoints([]); });
    get('preset').addEventListener('change', () => choosePreset().catch(error => say(String(error), true)));
    for (const id of ['path', 'coupling', 'seed']) get(id).addEventListener('change', () => { forget(); work(); });
    for (const id of ['sampler', 'steps']) get(id).addEventListener('change', () => { ready(); work(); });
    get('play').addEventListener('click', () => play(!state.playing));
    get('t').addEventListener('input', () => { play(false); state.t = Number(get('t').value); });
    // The book turns pages by the arrow keys, and opens its list of pages by a swipe.
    for (const kind of ['keydown', 'touchstart', 'touchmove']) get('plane').closest('.flow').addEventListener(kind, event => event.stopPropagation());
  }

  async function begin() {
    listen();
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) Object.assign(state, { t: 1 }) && play(false);
    requestAnimationFrame(show);
    try {
      if (typeof WebAssembly === 'undefined') throw 'This browser has no WebAssembly, which the page needs.';
      state.engine = await FlowEngine.start({ worker: asked.get('worker') !== 'off', simd: asked.get('simd') !== 'off' });
      get('controls').disabled = false;
      get('preset').value = 'moons';
      await choosePreset();
    } catch (error) {
      say(String(error), true);
    }
  }

  const begun = begin();
  if (asked.has('selftest')) {
    const script = document.createElement('script');
    script.src = 'interactive/selftest.js';
    document.head.append(script);
  }
  return { state, begun, setPoints, toggle, work };
})();
