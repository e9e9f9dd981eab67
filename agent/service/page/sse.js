// Server-sent events over fetch: EventSource can send no key and no Last-Event-ID of its own choosing.

/** Feeds text to a parser; `told` is called with {id, event, data} for each whole event. */
export function parser(told) {
  let rest = "";
  let event = {};
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data !== undefined) told({ event: "message", ...event });
        event = {};
      } else if (!line.startsWith(":")) {
        const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
        event[name] = name === "data" && event.data !== undefined ? `${event.data}\n${value}` : value;
      }
    }
  };
}

/**
 * Follows a stream to the event `last`, over lost connections: `open(lastId, signal)` gives a Response.
 * `told(kind, data)` hears each event once; `lost(bool)` hears when the connection goes and comes.
 * Throws what `open` throws when it has a `status` (a refusal), and AbortError after `signal`.
 */
export async function follow(open, last, told, lost, signal) {
  let id = 0;
  let ended = false;
  let pause = 250;
  const feed = (event) => {
    id = Number(event.id ?? id);
    pause = 250;
    heard(told, event);
    ended = event.event === last;
  };
  while (!ended) {
    try {
      const response = await open(id, signal);
      lost(false);
      await read(response, parser(feed));
    } catch (error) {
      if (error.status || error.name === "AbortError" || error.name === "TellError") throw error;
    }
    if (ended) return;
    lost(true);
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal?.throwIfAborted();
    pause = Math.min(5000, 2 * pause);
  }
}

function heard(told, event) {
  try {
    told(event.event, JSON.parse(event.data));
  } catch (cause) {
    // a fault of the listener is no lost connection, so it must not lead to another one
    const error = new Error(`The event ${event.event} could not be shown.`, { cause });
    error.name = "TellError";
    throw error;
  }
}

async function read(response, feed) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    feed(value);
  }
}
