// Web Locks: time waits for a request of the worker until the lock is granted, or until the request is seen
// to stand in line behind somebody who may hold the lock for life. A lock that the worker holds is not
// waited for.
const locks = (() => {
  const manager = navigator.locks;
  if (!manager) {
    return { look_again: () => false };
  }
  // When a tab or worker has gone, the browser may take a moment, of real time, to take its locks back.
  const PATIENCE_MS = 500;
  const { request, query } = LockManager.prototype;

  // The requests without an answer, in the order in which they were made.
  const asked = new Set();
  let looking = false;
  let patient_until_ms = 0;
  let own_client_id;
  let clients = new Set();

  // The browser tells who stands in line, by client; a lock that nobody else asks for tells who we are.
  const find_own_client_id = () => {
    const own_name = `pytest-sharedworker ${control.id}`;
    return request.call(manager, own_name, async () => {
      const { held } = await query.call(manager);
      return held.find(({ name }) => name === own_name).clientId;
    });
  };
  const is_patient = () => control.real_now() < patient_until_ms;
  const note_clients = (present) => {
    if ([...clients].some((id) => !present.has(id))) {
      // This is who has gone.
      patient_until_ms = 0;
    }
    clients = present;
  };
  const sort = (known, pending) => {
    const in_line = new Map();
    for (const { name, clientId } of pending) {
      if (clientId === own_client_id) {
        in_line.set(name, (in_line.get(name) || 0) + 1);
      }
    }
    // Those of one name are granted in order, so the last ones are those that still stand in line.
    for (const { name, item } of known.reverse()) {
      const left = in_line.get(name) || 0;
      in_line.set(name, left - 1);
      work.hold(item, left > 0 && !is_patient());
    }
  };
  const look = async () => {
    if (looking || asked.size === 0) {
      return;
    }
    looking = true;
    try {
      own_client_id ??= await find_own_client_id();
      while ([...asked].some(({ item }) => !item.held)) {
        const before = [...asked];
        const { held, pending } = await query.call(manager);
        note_clients(new Set([...held, ...pending].map(({ clientId }) => clientId)));
        // What is answered meanwhile makes the picture an old one.
        if (before.every((each) => asked.has(each))) {
          sort(before.filter(({ queues }) => queues), pending);
        }
      }
    } catch {
      // A browser that does not tell: better not to wait than to wait for ever.
      asked.forEach(({ item }) => work.hold(item, true));
    } finally {
      looking = false;
    }
  };
  const look_again = (somebody_left = false) => {
    if (somebody_left) {
      patient_until_ms = control.real_now() + PATIENCE_MS;
    }
    asked.forEach(({ item }) => work.hold(item, false));
    look();
    return asked.size > 0;
  };

  LockManager.prototype.request = function (name, ...rest) {
    const callback = rest.pop();
    if (typeof callback !== "function") {
      return request.apply(this, arguments);
    }
    const { ifAvailable, steal } = rest[0] || {};
    const waiting = {
      name: String(name), item: work.begin(`the lock ${name}`), queues: !ifAvailable && !steal,
    };
    asked.add(waiting);
    const answer = () => {
      asked.delete(waiting);
      work.end(waiting.item);
    };
    let giving_back = null;
    const give_back = () => {
      giving_back = work.begin(`giving back the lock ${name}`);
    };
    const outcome = request.call(this, name, ...rest, (lock) => {
      answer();
      try {
        const result = Promise.resolve(callback(lock));
        result.then(give_back, give_back);
        return result;
      } catch (error) {
        give_back();
        throw error;
      }
    });
    look();
    return work.until_settled(outcome, () => {
      answer();
      if (giving_back) {
        // An answer of the browser that comes behind it: now others, elsewhere too, can have the lock.
        const over = () => work.end(giving_back);
        query.call(manager).then(over, over);
      }
      // Whoever stood behind it may be next.
      look_again();
    });
  };
  return { look_again };
})();
