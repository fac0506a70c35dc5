// NestJS with express-session and sessiond. As in any Nest application, decorators need "experimentalDecorators" and
// "emitDecoratorMetadata".
import "reflect-metadata";
import { Body, Controller, Get, type INestApplication, Module, Post, Req, Session } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { SessiondStore } from "connect-sessiond";
import { listSessions, logIn, logOut, principalOf } from "connect-sessiond/express";
import type { Request } from "express";
import session from "express-session";

type Data = { views?: number };

@Controller()
class AppController {
  @Get()
  views(@Session() data: Data): { views: number } {
    data.views = (data.views ?? 0) + 1;
    return { views: data.views };
  }

  @Post("log-in")
  async logIn(@Req() request: Request, @Body("user") user: string): Promise<{ user: string | undefined }> {
    await logIn(request, user);
    return { user: principalOf(request) };
  }

  @Get("devices")
  async devices(@Req() request: Request): Promise<number> {
    return (await listSessions(request)).length;
  }

  @Post("log-out")
  async logOut(@Req() request: Request): Promise<void> {
    await logOut(request);
  }
}

@Module({ controllers: [AppController] })
class AppModule {}

export async function build(): Promise<INestApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ["error"] });
  app.set("trust proxy", "loopback"); // a proxy on this machine says whether the visitor came over HTTPS
  app.use(
    session({
      store: new SessiondStore({ namespace: process.env.SESSIOND_NAMESPACE ?? "nest-example" }),
      secret: process.env.SESSION_SECRET ?? "change me",
      resave: false,
      saveUninitialized: false,
      cookie: { secure: "auto", sameSite: "lax" },
    }),
  );
  return app;
}
