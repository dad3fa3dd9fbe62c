FROM python:3.13-slim

ENV BILLY_NO_BOOTSTRAP=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

RUN useradd --uid 10001 --create-home billy
WORKDIR /app

# The packages change less often than the source: a layer of their own.
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt

COPY . .
# The source is root's and cannot be changed by what runs; only var/ is written.
RUN install -d -o billy -g billy var
USER billy

EXPOSE 8000
CMD ["gunicorn", "billy.wsgi", "--bind", "0.0.0.0:8000", \
     "--workers", "2", "--threads", "8", "--timeout", "60", "--access-logfile", "-"]
