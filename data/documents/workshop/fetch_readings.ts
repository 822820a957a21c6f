/**
 * Fetches the readings of a buoy from the customer portal.
 *
 * The portal answers in pages and asks clients to slow down with status 429; both are
 * handled here. Merrowby Buoy Works, free to use.
 */

const PORTAL = "https://portal.merrowby.example/api/v2";
const PAGE_SIZE = 250;
const MAX_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 1500;

export interface Reading {
  serial: string;
  time: string;
  windSpeed: number;
  waveHeight: number | null;
}

export class PortalError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends one request; pauses twice as long after each refusal and gives up after the fourth. */
async function request(path: string, token: string): Promise<Response> {
  let pause = FIRST_PAUSE_MS;
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(PORTAL + path, {
      headers: { Authorization: `Bearer ${token}` },
    });
    if (response.ok) return response;
    if (response.status !== 429 || attempt === MAX_ATTEMPTS) {
      throw new PortalError(response.status, `the portal answered ${response.status} to ${path}`);
    }
    await sleep(pause);
    pause *= 2;
  }
}

/** Yields all readings of a buoy since a moment, oldest first. */
export async function* fetchReadings(
  serial: string,
  since: Date,
  token: string,
): AsyncGenerator<Reading> {
  let cursor: string | null = "";
  while (cursor !== null) {
    const query = `?since=${since.toISOString()}&limit=${PAGE_SIZE}&cursor=${cursor}`;
    const page = await (await request(`/buoys/${serial}/readings${query}`, token)).json();
    yield* page.readings as Reading[];
    cursor = page.next ?? null;
  }
}

/** Converts metres per second to knots, rounded to one decimal place. */
export function toKnots(metresPerSecond: number): number {
  return Math.round(metresPerSecond * 19.4384) / 10;
}
