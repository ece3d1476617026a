# One image for the four services, for arm64 (Raspberry Pi 5) and amd64; compose.yaml says which runs what.
FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# onnxruntime-node brings the libraries of every platform; only ours stays
RUN npm ci --omit=dev \
  && cd node_modules/onnxruntime-node/bin/napi-v6 \
  && rm -rf darwin win32 \
  && find linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +

FROM node:24-bookworm-slim
ENV NODE_ENV=production
# half the time of a start is compiling
ENV NODE_COMPILE_CACHE=/app/data/compile-cache
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bus bus
COPY lib lib
COPY broker broker
COPY services services
COPY dev dev
COPY models models
COPY demo demo
COPY configs configs
COPY doctor doctor
COPY main.ts config-schema.ts ./
RUN mkdir data && chown node:node data
USER node
VOLUME /app/data
ENTRYPOINT ["node"]
CMD ["main.ts", "--config", "configs/robot.yaml"]
