import { createRoot } from "react-dom/client";
import "./styles/app.css";
import { App } from "@/app/app";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(<App />);
