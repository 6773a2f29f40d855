import { expect, test } from "vitest";
import { Chat, type Send } from "./chat";
import { began, ended, said } from "./parts-for-tests";

/** A server whose answers a test gives: each question is kept until it is settled. */
function aServer() {
  const questions: {
    asked: Parameters<Send>[0];
    tell: Parameters<Send>[1];
    signal: AbortSignal;
    finish: () => void;
    fail: (error: Error) => void;
  }[] = [];
  const send: Send = (asked, tell, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      questions.push({ asked, tell, signal, finish: resolve, fail: reject });
    });
  const overs: number[] = [];
  const chat = new Chat(
    send,
    () => overs.push(questions.length),
    () => "it broke",
  );
  const at = (index: number) => {
    const question = questions[index];
    if (question === undefined) throw new Error(`question ${index} was not asked`);
    return question;
  };
  return { chat, questions, at, overs };
}

test("the second question goes on with the conversation that the first began", async () => {
  const { chat, at, overs } = aServer();
  const first = chat.ask("Is all well?", "/alerts");
  at(0).tell(began("cv-1"));
  at(0).tell(said("Yes."));
  at(0).tell(ended());
  at(0).finish();
  await first;
  void chat.ask("Really?", "/");

  expect(at(0).asked).toEqual({ conversation: null, text: "Is all well?", lookingAt: "/alerts" });
  expect(at(1).asked).toEqual({ conversation: "cv-1", text: "Really?", lookingAt: "/" });
  expect(overs).toEqual([1]);
});

test("one answer at a time: what is asked meanwhile is not sent", () => {
  const { chat, questions } = aServer();
  void chat.ask("one", "/");
  void chat.ask("two", "/");
  expect(questions).toHaveLength(1);
  expect(chat.state.exchanges).toHaveLength(1);
});

test("stopping keeps what came, ends the request, and lets nothing more in", async () => {
  const { chat, at } = aServer();
  const asking = chat.ask("one", "/");
  at(0).tell(said("So far"));
  chat.stop();
  at(0).tell(said(" and further"));
  await asking;

  expect(at(0).signal.aborted).toBe(true);
  expect(chat.state.isAnswering).toBe(false);
  expect(chat.state.exchanges[0]).toMatchObject({
    parts: [said("So far"), { kind: "ended", how: "stopped" }],
    error: null,
  });
});

test("a stream without an end was broken off, and can be asked for again beside what came", async () => {
  const { chat, at } = aServer();
  const asking = chat.ask("one", "/");
  at(0).tell(said("So far"));
  at(0).finish();
  await asking;
  expect(chat.state.exchanges[0]?.error?.message).toBe("it broke");

  void chat.askAgain("/");
  expect(at(1).asked.text).toBe("one");
  expect(chat.state.exchanges).toHaveLength(2);
});

test("what was refused outright is asked again in its place", async () => {
  const { chat, at } = aServer();
  const asking = chat.ask("one", "/");
  at(0).fail(new Error("another answer is being made"));
  await asking;
  expect(chat.state).toMatchObject({ conversation: null, isAnswering: false });

  void chat.askAgain("/");
  expect(chat.state.exchanges).toMatchObject([{ question: "one", parts: [], error: null }]);
});

test("opening another conversation ends the answer in this one without a trace in that one", async () => {
  const { chat, at } = aServer();
  const asking = chat.ask("one", "/");
  chat.show("cv-7", [{ question: "before", parts: [said("then"), ended()], is_shortened: true }]);
  at(0).tell(began("cv-1"));
  await asking;
  expect(at(0).signal.aborted).toBe(true);
  expect(chat.state).toMatchObject({ conversation: "cv-7", isAnswering: false });
  expect(chat.state.exchanges).toMatchObject([{ question: "before", isShortened: true }]);
});
