import type { ContainersView } from "@/features/containers/container-rows";

/**
 * A view that is kept in the page's address, which follows a moment later.
 *
 * What is typed meanwhile builds on the newest view and not on what the address still says; and an address that is
 * only on its way there takes nothing back.
 */
export class ViewInAddress {
  private readonly onTheirWay: string[] = [];

  constructor(public view: ContainersView) {}

  /** Change it; the result is to be written to the address. */
  change(next: Partial<ContainersView>): ContainersView {
    this.view = { ...this.view, ...next };
    this.onTheirWay.push(keyOf(this.view));
    return this.view;
  }

  /** Take note of what the address says. Whether somebody else changed it, such as the back button. */
  see(view: ContainersView): boolean {
    const key = keyOf(view);
    const own = this.onTheirWay.lastIndexOf(key);
    if (own >= 0) {
      this.onTheirWay.splice(0, own + 1);
      return false;
    }
    if (key === keyOf(this.view)) return false;
    this.onTheirWay.length = 0;
    this.view = view;
    return true;
  }
}

function keyOf(view: ContainersView): string {
  return JSON.stringify(Object.entries(view).sort(([one], [other]) => one.localeCompare(other)));
}
