import { useEffect, useMemo, useReducer } from "react";
import { LogModel, type Wish } from "./log-model";

/** The log of a wish, kept as long as the wish is the same. The caller is rendered anew when there is more. */
export function useLogModel(wish: Wish): LogModel {
  const key = JSON.stringify(wish);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all of the wish
  const model = useMemo(() => new LogModel(wish), [key]);
  const [, render] = useReducer((count: number, _: null) => count + 1, 0);
  useEffect(() => {
    const leave = model.subscribe(() => render(null));
    model.start();
    return () => {
      leave();
      model.stop();
    };
  }, [model]);
  return model;
}
