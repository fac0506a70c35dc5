// Hono with sessiond: the framework-free helper in a middleware.
import { createSessions } from "connect-sessiond/web";
import { Hono } from "hono";

const isProduction = process.env.NODE_ENV === "production";

export const sessions = createSessions({
  namespace: process.env.SESSIOND_NAMESPACE ?? "hono-example",
  ttl: 24 * 60 * 60,
  // Over HTTPS leave this out: "__Host-session", Secure, HttpOnly and SameSite=Lax are the defaults.
  ...(!isProduction && { cookie: { secure: false } }),
});

export const app = new Hono();

app.use(async (c, next) => {
  const session = await sessions.getSession(c.req.header("cookie"));
  c.set("session", session);
  await next();
  const cookie = c.get("cookie") ?? (await session.save());
  if (cookie) c.header("set-cookie", cookie);
});

app.get("/", (c) => {
  const { data } = c.get("session");
  data.views = (data.views ?? 0) + 1;
  return c.json({ views: data.views });
});

app.post("/log-in", async (c) => {
  c.set("cookie", await c.get("session").logIn("user-42"));
  return c.json({ user: c.get("session").principal });
});

app.post("/log-out", async (c) => {
  c.set("cookie", await c.get("session").destroy());
  return c.json({});
});
