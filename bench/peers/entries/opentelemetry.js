// The batch processor with its defaults: 512 records, one second.
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";

const exporter = new OTLPLogExporter({ url: `${location.origin}/opentelemetry/v1/logs` });
const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
const logger = provider.getLogger("bench");
self.log = (event) => logger.emit({ eventName: "ui_event", timestamp: Date.now(), attributes: event });
