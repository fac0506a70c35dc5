// Next.js with sessiond: app/api/views/route.js. Route handlers take the web's Request and answer its Response.
import { createSessions } from "connect-sessiond/web";

const isProduction = process.env.NODE_ENV === "production";

// Next.js loads modules again while developing: one client for all of them.
globalThis.sessions ??= createSessions({
  namespace: process.env.SESSIOND_NAMESPACE ?? "next-example",
  ...(!isProduction && { cookie: { secure: false } }),
});

export async function GET(request) {
  const session = await globalThis.sessions.getSession(request.headers.get("cookie"));
  session.data.views = (session.data.views ?? 0) + 1;
  const cookie = await session.save();
  return Response.json({ views: session.data.views }, { headers: cookie ? { "set-cookie": cookie } : {} });
}
