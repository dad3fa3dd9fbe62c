window.ui = SwaggerUIBundle({
  url: "{% url 'api-description' %}",
  dom_id: "#pages",
  deepLinking: true,
  docExpansion: "none",
  tryItOutEnabled: true,
  validatorUrl: null,
});
