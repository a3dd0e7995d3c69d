// Goes through the page as a reader does, with `?selftest`, and leaves what it found as JSON in the element `flow-result`.
'use strict';

(async () => {
  const { state, begun, setPoints, toggle } = FlowPage;
  const get = id => document.getElementById(`flow-${id}`);
  const result = { checks: {}, errors: [] };
  const check = (name, holds, seen = holds) => { result.checks[name] = { holds: Boolean(holds), seen }; };
  let answered = 0;
  // Waits as long as the page gets on, slow as it may be: nothing may stand still for a minute.
  const until = async condition => {
    let [seen, since] = [answered, performance.now()];
    while (!condition()) {
      const now = answered;
      if (now !== seen) [seen, since] = [now, performance.now()];
      if (performance.now() - since > 60000) throw `waited too long for ${condition}`;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  const frame = () => new Promise(requestAnimationFrame);
  const idle = () => until(() => !state.busy);
  const choose = (id, value) => {
    get(id).value = value;
    get(id).dispatchEvent(new Event('change'));
  };
  const mean = values => values.reduce((a, b) => a + b, 0) / values.length;
  const ask = async (name, values) => (await state.engine.call(name, values)).value;
  const refused = (name, values) => ask(name, values).then(() => '', error => String(error));

  // Too little, and much.
  async function drawings() {
    for (const [name, points] of [['an empty drawing', []], ['one point', [0.1, 0.2]]]) {
      setPoints(points);
      toggle();
      check(name, !state.running && get('message').textContent.includes('at least two'), get('message').textContent);
    }
    const few = await refused('create', { points: Float32Array.of(0, 0), path: 'straight', coupling: 'independent', seed: 0 });
    check('one point, to the library', few.includes('at least two'), few);
    setPoints([0.3, 0.3, 0.3, 0.3]);
    toggle();
    await until(() => state.step > 30 && state.ways);
    toggle();
    await idle();
    check('two points at one place', state.losses.every(Number.isFinite), state.step);
    setPoints(await ask('preset', { name: 'rings', count: 10000, seed: 0 }));
    toggle();
    await until(() => state.step > 30 && state.ways);
    toggle();
    await idle();
    check('ten thousand points', state.points.length === 20000 && state.losses.every(Number.isFinite), state.step);
    setPoints(new Float32Array(2 * 25000));
    check('too many points', get('message').textContent.includes('left out'), get('message').textContent);
  }

  async function sizes() {
    const views = get('plane').parentElement;
    for (const width of ['200px', '333px', '']) {
      views.style.flex = width && `0 0 ${width}`;
      await frame();
      await frame();
      const [shown, held] = [get('plane').clientWidth * devicePixelRatio, get('plane').width];
      check(`resized to ${width || 'its own width'}`, Math.abs(shown - held) <= 1, held);
    }
  }

  // Each choice once, on few points.
  async function choices() {
    const points = Float32Array.from(await ask('preset', { name: 'star', count: 300, seed: 1 }));
    const tried = async (path, coupling, samplers) => {
      await ask('create', { points, path, coupling, seed: 3 });
      const losses = await ask('train', { steps: 5 });
      for (const sampler of samplers) {
        const { times, coordinates } = await ask('ways', { sampler, steps: 6, count: 50 });
        const holds = losses.every(Number.isFinite) && coordinates.every(Number.isFinite) && times[0] === 0 && Math.abs(times.at(-1) - 1) < 1e-6;
        check(`${path}, ${coupling}, ${sampler}`, holds, coordinates.length);
      }
    };
    const options = id => [...get(id).options].map(option => option.value);
    for (const path of options('path')) for (const coupling of options('coupling')) await tried(path, coupling, ['euler']);
    await tried('straight', 'independent', options('sampler'));
    await tried('variance', 'independent', ['sde']);
    for (const [path, coupling] of [['straight', 'optimal'], ['bridge', 'independent']]) {
      await ask('create', { points, path, coupling, seed: 3 });
      const reason = await refused('ways', { sampler: 'sde', steps: 6, count: 50 });
      check(`no SDE on ${path}, ${coupling}`, reason.includes('score'), reason);
    }
  }

  // The first losses, to be compared with the native ones, and times of single calls.
  async function calls() {
    const points = Float32Array.from(await ask('preset', { name: 'moons', count: 2000, seed: 0 }));
    const again = [];
    for (let i = 0; i < 2; i++) {
      await ask('create', { points, path: 'straight', coupling: 'optimal', seed: 7 });
      again.push(Array.from(await ask('train', { steps: 50 })));
    }
    check('the same seed gives the same bits', again[0].every((loss, i) => loss === again[1][i]));
    result.losses = again[0];
    for (const coupling of ['independent', 'optimal', 'entropic']) {
      await ask('create', { points, path: 'straight', coupling, seed: 7 });
      await ask('train', { steps: 20 });
      const { ms } = await state.engine.call('train', { steps: 100 });
      result[`${coupling}_steps_per_second`] = 100 / ms * 1000;
    }
    const timed = async (name, values) => Math.min(...[(await state.engine.call(name, values)).ms, (await state.engine.call(name, values)).ms]);
    result.ways_ms = await timed('ways', { sampler: 'euler', steps: 20, count: 500 });
    result.density_ms = await timed('density', { t: 1, cells: 40, first: 0, end: 40 });
  }

  // The page learns two moons, as it is seen. Independent pairs are the fastest.
  async function learns() {
    get('preset').value = 'moons';
    choose('path', 'straight');
    choose('coupling', 'independent');
    choose('sampler', 'midpoint');
    choose('seed', '7');
    setPoints(await ask('preset', { name: 'moons', count: 2000, seed: 0 }));
    const distance = () => ask('distance', { sampler: 'midpoint', steps: 20, count: 1000 });
    toggle();
    await until(() => state.step > 0);
    const far = await distance();
    const [begin, first] = [performance.now(), state.step];
    const frames = [];
    await until(() => {
      if (frames.at(-1) !== state.rates.frames) frames.push(state.rates.frames);
      return state.step >= 1000;
    });
    result.page_steps_per_second = (state.step - first) / (performance.now() - begin) * 1000;
    result.page_frames_per_second = mean(frames.slice(frames.length / 3));
    toggle();
    await idle();
    const [start, end] = [mean(state.losses.slice(0, 50)), mean(state.losses.slice(-200))];
    check('the loss falls', end < 0.85 * start, [start, end]);
    const near = await distance();
    check('samples lie with the data', near < 0.02 && near < 0.3 * far, [far, near]);
    check('all pictures are made', state.ways && state.frames.length === 9, state.frames.length);
    const mass = state.frames.at(-1).values.reduce((a, b) => a + b, 0) * (2 / 40) ** 2;
    check('the density has mass 1', Math.abs(mass - 1) < 0.05, mass);
    await new Promise(resolve => setTimeout(resolve, 1200));
    result.idle_frames_per_second = state.rates.frames;
  }

  try {
    await begun;
    if (!state.engine) throw get('message').textContent;
    const { call } = state.engine;
    state.engine.call = async (name, values) => {
      const answer = await call(name, values);
      answered++;
      return answer;
    };
    result.worker = state.engine.threaded;
    result.simd = state.engine.vectors;
    const parts = { drawings, sizes, choices, calls, learns };
    const wanted = new URLSearchParams(location.search).get('selftest') || Object.keys(parts).join();
    for (const name of wanted.split(',')) await parts[name]();
  } catch (error) {
    result.errors.push(String(error));
  }
  result.passed = result.errors.length === 0 && Object.values(result.checks).every(({ holds }) => holds);
  const element = document.createElement('pre');
  element.id = 'flow-result';
  element.hidden = true;
  element.textContent = JSON.stringify(result);
  document.body.append(element);
})();
