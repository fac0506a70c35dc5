// @fastify/session with sessiond: node examples/fastify.mjs
import fastifyCookie from "@fastify/cookie";
import fastifySession from "@fastify/session";
import { SessiondStore } from "connect-sessiond/fastify";
import Fastify from "fastify";

export async function build() {
  // A proxy on this machine says whether the visitor came over HTTPS.
  const app = Fastify({ trustProxy: "loopback" });
  const store = new SessiondStore({ namespace: process.env.SESSIOND_NAMESPACE ?? "fastify-example" });
  app.addHook("onClose", async () => store.close());
  await app.register(fastifyCookie);
  await app.register(fastifySession, {
    store,
    secret: process.env.SESSION_SECRET ?? "a secret of at least 32 characters",
    saveUninitialized: false,
    cookie: { secure: "auto", sameSite: "lax", maxAge: 24 * 60 * 60 * 1000 },
  });

  app.get("/", async (request) => {
    request.session.views = (request.session.views ?? 0) + 1;
    return { views: request.session.views };
  });
  app.post("/log-in", async (request) => {
    await request.session.regenerate(["views"]);
    request.session.user = "user-42";
    return { user: request.session.user };
  });
  app.post("/log-out", async (request) => {
    await request.session.destroy();
    return {};
  });
  return app;
}

if (process.argv[1] === import.meta.filename) {
  const app = await build();
  console.log(`Listening on ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`);
}
