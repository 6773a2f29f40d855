import { send } from "@/api/client";

interface Download {
  containerId: string;
  nodeId: string;
  fileName: string;
}

/** Save everything the host still has of a container's output, each line with its moment. */
export async function downloadLogs({ containerId, nodeId, fileName }: Download): Promise<void> {
  const response = await send(`/logs/${encodeURIComponent(containerId)}`, {
    query: { node: nodeId, tail: "all", timestamps: true },
    accept: "text/plain",
  });
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(address);
}
